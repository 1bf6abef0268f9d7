import { WalcastError } from './error.js';
import type { ChangesCallbacks, ChangesQuery, Offset, TableChange, TableResync, Unsubscribe } from './types.js';

interface Follow {
  query: ChangesQuery;
  callbacks: ChangesCallbacks<any>;
  subscription?: string;
}

type Ask = (event: string, payload: object, ack?: (ack: any) => void, isWanted?: () => boolean) => unknown;

/** Tables that are followed. Who asks the same shares one subscription: the server names both alike. */
export class Follows {
  #all = new Set<Follow>();
  #send: Ask;

  constructor(send: Ask) {
    this.#send = send;
  }

  add(query: ChangesQuery, callbacks: ChangesCallbacks<any>): Unsubscribe {
    const follow: Follow = { query, callbacks };
    this.#all.add(follow);
    this.#ask(follow);
    return () => {
      this.#all.delete(follow);
      this.#leave(follow);
    };
  }

  /** There is a connection; what was followed before it is resumed from `since`. */
  connected(since: Offset | undefined): void {
    for (const follow of this.#all) this.#ask(follow, follow.subscription && since);
  }

  take(verb: string, payload: TableChange & TableResync): void {
    for (const { subscription, query, callbacks } of [...this.#all]) {
      if (payload.subscription === subscription) callbacks.onChange(payload);
      const isOurs = payload.table === query.table && payload.schema === (query.schema ?? 'public');
      if (verb === 'resync' && isOurs) callbacks.onResync?.(payload);
    }
  }

  #ask(follow: Follow, since?: Offset): void {
    const { query, callbacks } = follow;
    const ack = ({ subscription, error }: any) => {
      if (error) return callbacks.onError?.(new WalcastError(error));
      follow.subscription = subscription;
      if (this.#all.has(follow)) callbacks.onReady?.();
      else this.#leave(follow);
    };
    this.#send('changes:subscribe', { ...query, since }, ack, () => this.#all.has(follow));
  }

  #leave({ subscription }: Follow): void {
    const isShared = [...this.#all].some((other) => other.subscription === subscription);
    if (subscription && !isShared) this.#send('changes:unsubscribe', { subscription });
  }
}
