import { Connection, STATUS } from './connection.js';
import { OneRow, RowsOfEntity } from './handles.js';
import type { Desk } from './handles.js';
import { Http } from './http.js';
import { Listeners } from './listeners.js';
import { Rooms } from './rooms.js';
import { Tokens } from './tokens.js';
import type {
  ChangesCallbacks, ChangesQuery, Client, ClientOptions, ComponentHandle, EntityHandle, Id, Row, Status, Unsubscribe,
} from './types.js';
import { pageVisibility } from './visibility.js';
import { ownWrite } from './vocabulary.js';
import { Writes } from './writes.js';

const defaults = {
  autoConnect: true,
  path: '/socket.io',
  failuresBeforePolling: 3,
  pollInterval: 5_000,
  retryDelay: 1_000,
  retryDelayMax: 5_000,
  hiddenTimeout: 300_000,
  timeout: 10_000,
  grace: 100,
};

/** Connects to the walcast server at `url`, an origin such as `https://live.example.com`. */
export function createClient(url: string, options: ClientOptions): Client {
  return new WalcastClient(url.replace(/\/+$/, ''), options);
}

class WalcastClient implements Client, Desk {
  private readonly listeners = new Listeners();
  private readonly http: Http;
  private readonly rooms: Rooms;
  private readonly writes: Writes;
  private readonly connection: Connection;

  constructor(url: string, given: ClientOptions) {
    const options = {
      ...defaults,
      visibility: pageVisibility(),
      fetch: (...request: Parameters<typeof fetch>) => globalThis.fetch(...request),
      ...given,
    };
    const tokens = new Tokens(options.token);
    this.http = new Http(url, tokens, options.timeout, options.fetch);
    this.writes = new Writes((...asked) => this.connection.emit(...asked), options.timeout);
    this.rooms = new Rooms(this.http, () => this.connection, this.listeners, options.grace);
    this.connection = new Connection(url, options, tokens, this.rooms, this.writes, this.listeners);
    if (options.autoConnect) this.connect();
  }

  get status(): Status {
    return this.connection.status;
  }

  onStatus(callback: (status: Status) => void): Unsubscribe {
    return this.listeners.on(STATUS, callback);
  }

  on(event: string, callback: (payload: any) => void): Unsubscribe {
    return this.listeners.on(event, callback);
  }

  component<T extends Row>(id: Id): ComponentHandle<T> {
    return this.row('component', id);
  }

  entity<T extends Row>(type: string, id: Id): EntityHandle<T> {
    return this.rowsOf('component', type, id);
  }

  row<T extends Row>(prefix: string, id: Id): ComponentHandle<T> {
    const row = String(id);
    return new OneRow(prefix, this, () => this.rooms.room(prefix, { id: row }, row), row);
  }

  rowsOf<T extends Row>(prefix: string, type: string, id: Id, key?: (row: T) => string): EntityHandle<T> {
    const entityId = String(id);
    const ids = { entityType: type, entityId };
    return new RowsOfEntity(prefix, this, () => this.rooms.room(prefix, ids, undefined, key), type, entityId);
  }

  changes<T extends Row>(query: ChangesQuery, callbacks: ChangesCallbacks<T>): Unsubscribe {
    return this.rooms.follows.add(query, callbacks);
  }

  broadcast(room: string, event: string, payload: Record<string, unknown> = {}): Promise<void> {
    return this.http.post('/api/broadcast', { room, event, payload });
  }

  connect(): void {
    this.connection.happens('connect');
  }

  disconnect(): void {
    this.connection.happens('disconnect');
  }

  close(): void {
    this.connection.close();
    this.writes.end();
    this.rooms.close();
  }

  async write(prefix: string, verb: string, payload: object, componentId?: string): Promise<any> {
    const ack = await this.writes.ask<any>(`${prefix}:${verb}`, payload);
    const write = componentId === undefined ? undefined : ownWrite(verb, componentId, payload, ack);
    if (write) this.rooms.wrote(prefix, write);
    return ack;
  }

  say(event: string, payload: object): boolean {
    return this.connection.say(event, payload);
  }
}
