import { WalcastError } from './error.js';
import type { ChangesCallbacks, ChangesQuery, Offset, TableChange, TableResync, Unsubscribe } from './types.js';

interface Follow {
  query: ChangesQuery;
  callbacks: ChangesCallbacks<any>;
  subscription?: string | undefined;
}

const PAUSE_MS = 1_000;

/** Tables that are followed. Who asks the same shares one subscription: the server names both alike. */
export class Follows {
  private readonly all = new Set<Follow>();

  constructor(private readonly emit: (event: string, payload: object, ack: (ack: any) => void) => boolean) {}

  add(query: ChangesQuery, callbacks: ChangesCallbacks<any>): Unsubscribe {
    const follow: Follow = { query, callbacks };
    this.all.add(follow);
    this.ask(follow);
    return () => {
      if (this.all.delete(follow)) this.leave(follow.subscription);
    };
  }

  /** There is a connection; what was followed before it is resumed from `since`. */
  connected(since: Offset | undefined): void {
    for (const follow of this.all) this.ask(follow, follow.subscription && since);
  }

  take(verb: string, payload: TableChange & TableResync): void {
    for (const { subscription, query, callbacks } of [...this.all]) {
      if (verb === 'changed' && payload.subscription === subscription) callbacks.onChange(payload);
      const isOurs = payload.table === query.table && payload.schema === (query.schema ?? 'public');
      if (verb === 'resync' && isOurs) callbacks.onResync?.(payload);
    }
  }

  private ask(follow: Follow, since?: Offset): void {
    const { callbacks } = follow;
    this.emit('changes:subscribe', { ...follow.query, ...(since && { since }) }, ({ subscription, error }) => {
      if (subscription) {
        follow.subscription = subscription;
        if (this.all.has(follow)) callbacks.onReady?.();
        else this.leave(subscription);
      } else if (error.code === 'unavailable' || error.code === 'rate_limited') {
        setTimeout(() => this.all.has(follow) && this.ask(follow, since), error.retryAfterMs ?? PAUSE_MS);
      } else {
        callbacks.onError?.(new WalcastError(error.code, error.message));
      }
    });
  }

  private leave(subscription: string | undefined): void {
    const isShared = [...this.all].some((other) => other.subscription === subscription);
    if (subscription && !isShared) this.emit('changes:unsubscribe', { subscription }, () => {});
  }
}
