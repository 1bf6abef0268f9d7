import { WalcastError } from './error.js';
import { CONNECTED } from './rooms.js';
import type { Rooms } from './rooms.js';
import type { ChangesCallbacks, ChangesQuery, Offset, TableChange, TableResync, Unsubscribe } from './types.js';

interface Follow {
  query: ChangesQuery;
  callbacks: ChangesCallbacks<any>;
  subscription?: string;
}

/** Tables that are followed. Who asks the same shares one subscription: the server names both alike. */
export class Follows {
  #all = new Set<Follow>();
  #rooms: Rooms;

  constructor(rooms: Rooms) {
    this.#rooms = rooms;
    const listeners = rooms._listeners;
    // What was followed before is resumed.
    listeners.on(CONNECTED, (since) => this.#all.forEach((follow) => this.#ask(follow, follow.subscription && since)));
    listeners.on('changes:changed', (change: TableChange) => {
      for (const { subscription, callbacks } of [...this.#all]) if (change.subscription === subscription) callbacks.onChange(change);
    });
    listeners.on('changes:resync', (resync: TableResync) => {
      for (const { query, callbacks } of [...this.#all]) {
        if (resync.table === query.table && resync.schema === (query.schema ?? 'public')) callbacks.onResync?.(resync);
      }
    });
  }

  _add(query: ChangesQuery, callbacks: ChangesCallbacks<any>): Unsubscribe {
    const follow: Follow = { query, callbacks };
    this.#all.add(follow);
    this.#ask(follow);
    return () => {
      this.#all.delete(follow);
      this.#leave(follow);
    };
  }

  #ask(follow: Follow, since?: Offset): void {
    const { query, callbacks } = follow;
    const ack = ({ subscription, error }: any) => {
      if (error) return callbacks.onError?.(new WalcastError(error));
      follow.subscription = subscription;
      if (this.#all.has(follow)) callbacks.onReady?.();
      else this.#leave(follow);
    };
    this.#rooms._ask('changes:subscribe', { ...query, since }, ack, () => this.#all.has(follow));
  }

  #leave({ subscription }: Follow): void {
    const isShared = [...this.#all].some((other) => other.subscription === subscription);
    if (subscription && !isShared) this.#rooms._way()._emit('changes:unsubscribe', { subscription });
  }
}
