import { payloadOf } from './payload.js';
import type { PostgresChange } from './payload.js';
import { Roster } from './roster.js';
import type { Entry, PresenceChange } from './roster.js';
import type { ChangesQuery, Client, Handle, Row, Unsubscribe } from '../index.js';

export type ChannelStatus = 'SUBSCRIBED' | 'TIMED_OUT' | 'CLOSED' | 'CHANNEL_ERROR';

export interface ChannelOptions {
  config?: {
    /** Only the id of the token's own user will do. */
    presence?: { key?: string };
    broadcast?: { self?: boolean; ack?: boolean };
    private?: boolean;
  };
}

export interface PostgresFilter {
  event: '*' | 'INSERT' | 'UPDATE' | 'DELETE';
  schema?: string;
  table?: string;
  filter?: string;
}

export interface BroadcastMessage {
  type: 'broadcast';
  event: string;
  payload: any;
  meta: { offset: string; timestamp: string };
}

type Told = (status: ChannelStatus, error?: Error) => void;
/** Begins to listen. `ready`: it does, also after the connection was lost. `missed`: something that was not told. */
type Start = (ready: () => void, missed: () => void) => Unsubscribe;

const TIMEOUT_MS = 10_000;

/**
 * A room, and tables that are followed, as one channel of Supabase. It is SUBSCRIBED when all of it is; again after the
 * connection was lost, and whenever changes were missed: so whoever fetches then holds what the database does.
 */
export class RealtimeChannel {
  readonly topic: string;
  #client: Client;
  #name: string;
  #key: string | undefined;
  #starts: Start[] = [];
  #stops: Unsubscribe[] = [];
  /** Those that do not listen yet. */
  #awaited = new Set<Start>();
  #told: Told | undefined;
  #ended = new AbortController();
  #clock: ReturnType<typeof setTimeout> | undefined;
  #presence: { handle: Handle<any, any>; roster: Roster; callbacks: ((change: PresenceChange) => void)[] } | undefined;
  #isTracking = false;

  constructor(client: Client, name: string, { config = {} }: ChannelOptions = {}) {
    if (config.private) {
      throw new Error(`channel ${name}: walcast has no private channels: who may hear of a row is said by row-level security on its table`);
    }
    this.#client = client;
    this.#name = name;
    this.#key = config.presence?.key;
    this.topic = `realtime:${name}`;
  }

  on<T extends Row = any>(type: 'postgres_changes', filter: PostgresFilter, callback: (payload: PostgresChange<T>) => void): this;
  on(type: 'broadcast', filter: { event: string }, callback: (message: BroadcastMessage) => void): this;
  on(type: 'presence', filter: { event: 'sync' | 'join' | 'leave' }, callback: (change: PresenceChange) => void): this;
  on(type: string, filter: any, callback: (payload: any) => void): this {
    if (type === 'postgres_changes') this.#begin(this.#table(filter, callback));
    else if (type === 'broadcast') this.#hear(filter.event, callback);
    else if (type === 'presence') this.#room().callbacks.push((change) => change.event === filter.event && callback(change));
    else throw this.#refusal(`there is no ${JSON.stringify(type)} to listen to, but postgres_changes, broadcast and presence`);
    return this;
  }

  subscribe(callback?: Told, timeout = TIMEOUT_MS): this {
    if (this.#told) throw this.#refusal('it is subscribed to already: make another channel, or unsubscribe first');
    this.#told = (...told) => callback?.(...told);
    this.#ended = new AbortController();
    this.#client.connect();
    this.#clock = setTimeout(() => this.#awaited.size && this.#tell('TIMED_OUT'), timeout);
    this.#stops.push(
      this.#client.onStatus((status) => {
        if (status !== 'live') this.#awaited = new Set(this.#starts);
      }),
      // A refused token, say. The client goes on trying, and so does the channel.
      this.#client.on('error', (error) => this.#client.status !== 'live' && this.#tell('CHANNEL_ERROR', error)),
    );
    this.#awaited = new Set(this.#starts);
    for (const start of this.#starts) this.#listen(start);
    // One that listens to nothing has no other reason to wait.
    if (!this.#starts.length) this.#begin((ready) => this.#whenLive(ready));
    return this;
  }

  unsubscribe(): Promise<'ok'> {
    this.#end('CLOSED');
    return Promise.resolve('ok');
  }

  /** Rejected where the token may not broadcast, which those of pages seldom may. */
  async send(message: { type: string; event: string; payload?: Record<string, unknown> }): Promise<'ok'> {
    if (message.type !== 'broadcast') throw this.#refusal(`only a broadcast can be sent, and not ${JSON.stringify(message.type)}`);
    try {
      await this.#client.broadcast(roomOf(this.#name), message.event, message.payload);
      return 'ok';
    } catch (error) {
      const remedy = 'Pages write to a table, or call a function that calls walcast.broadcast; a token may broadcast if it has the claim "broadcast": true';
      throw Object.assign(this.#refusal(`${message.event} was not sent: ${(error as Error).message}. ${remedy}`), { cause: error });
    }
  }

  /** What you say of yourself; it needs a member, for `{}` is how one says nothing. */
  async track(state: Record<string, unknown>): Promise<'ok'> {
    if (!Object.keys(state).length) throw this.#refusal('track needs a state with at least one member');
    this.#isTracking = true;
    await this.#room().handle.presence.set(state);
    return 'ok';
  }

  async untrack(): Promise<'ok'> {
    if (this.#isTracking) this.#presence?.handle.presence.set({});
    this.#isTracking = false;
    return 'ok';
  }

  presenceState<S extends object = Record<string, any>>(): Record<string, Entry<S>[]> {
    return (this.#presence?.roster.state() ?? {}) as Record<string, Entry<S>[]>;
  }

  #table({ event, schema = 'public', table, filter }: PostgresFilter, callback: (payload: any) => void): Start {
    if (!table || table === '*' || schema === '*') throw this.#refusal('name the table: a whole schema cannot be followed');
    const query: ChangesQuery = { event, schema, table, ...(filter && { filter }) };
    return (ready, missed) =>
      this.#client.changes(query, {
        onReady: ready,
        onResync: missed,
        onError: (error) => this.#end('CHANNEL_ERROR', error),
        onChange: (change) => {
          const payload = payloadOf(change);
          if (payload) callback(payload);
        },
      });
  }

  #hear(event: string, callback: (message: BroadcastMessage) => void): void {
    if (event === '*' || event === 'error') throw this.#refusal(`broadcasts are listened to by their names, and ${event} is none`);
    if (!this.#name.startsWith('user:')) this.#room();
    this.#begin((ready) => {
      const off = this.#client.on(event, ({ offset, timestamp, ...payload }) =>
        callback({ type: 'broadcast', event, payload, meta: { offset, timestamp } }),
      );
      const stop = this.#whenLive(ready);
      return () => {
        off();
        stop();
      };
    });
  }

  /** The channel's room, joined when it is needed first. */
  #room() {
    if (this.#presence) return this.#presence;
    if (this.#name.startsWith('user:')) throw this.#refusal("nobody can be seen in a user's room");
    const handle = handleOf(this.#client, roomOf(this.#name));
    const presence = (this.#presence = { handle, roster: new Roster(), callbacks: [] as ((change: PresenceChange) => void)[] });
    this.#begin((ready) => {
      const isBack = (users = handle.presence.users()) => {
        if (this.#client.status !== 'live' || !users.length) return;
        if (this.#key !== undefined && !users.some(({ id }) => id === this.#key)) {
          const said = `its presence.key is ${JSON.stringify(this.#key)}, and must be the id of the user whose token it is, or left out`;
          return this.#end('CHANNEL_ERROR', this.#refusal(said));
        }
        const changes = presence.roster.take(users);
        ready();
        for (const change of changes) for (const callback of presence.callbacks) callback(change);
      };
      const stops = [
        handle.presence.on(isBack),
        handle.on('error', (error) => this.#end('CHANNEL_ERROR', error)),
      ];
      // Others may have been in it before us.
      queueMicrotask(isBack);
      return () => {
        for (const stop of stops) stop();
        presence.roster.take([]);
      };
    });
    return presence;
  }

  /** Not before `subscribe` has returned, so that whoever is told knows the channel. */
  #whenLive(ready: () => void): Unsubscribe {
    const look = () => this.#client.status === 'live' && ready();
    queueMicrotask(look);
    return this.#client.onStatus(look);
  }

  #begin(start: Start): void {
    this.#starts.push(start);
    if (!this.#told) return;
    this.#awaited.add(start);
    this.#listen(start);
  }

  #listen(start: Start): void {
    const { signal } = this.#ended;
    const listening = () => !signal.aborted && !this.#awaited.size && this.#tell('SUBSCRIBED');
    this.#stops.push(start(() => this.#awaited.delete(start) && listening(), listening));
  }

  #tell(status: ChannelStatus, error?: Error): void {
    if (status !== 'TIMED_OUT') clearTimeout(this.#clock);
    this.#told?.(status, ...(error ? [error] : []));
  }

  #end(status: 'CLOSED' | 'CHANNEL_ERROR', error?: Error): void {
    const told = this.#told;
    void this.untrack();
    this.#ended.abort();
    for (const stop of this.#stops.splice(0)) stop();
    clearTimeout(this.#clock);
    this.#told = undefined;
    told?.(status, ...(error ? [error] : []));
  }

  #refusal(message: string): Error {
    return new Error(`channel ${this.#name}: ${message}`);
  }
}

/** A channel's name is a room's where it looks like one; any other is the room of an entity that is of this channel alone. */
export function roomOf(name: string): string {
  return /^[^:]+:./s.test(name) ? name : `entity:channel:${name}`;
}

function handleOf(client: Client, room: string): Handle<any, any> {
  const [prefix = '', ...rest] = room.split(':');
  const [type = '', ...id] = rest;
  return prefix === 'entity' ? client.entity(type, id.join(':')) : client.row(prefix, rest.join(':'));
}
