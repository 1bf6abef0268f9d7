import { Connection, STATUS } from './connection.js';
import type { Follows } from './follows.js';
import { EntityRoom, RowRoom } from './handles.js';
import { Http } from './http.js';
import { Listeners } from './listeners.js';
import { Rooms } from './rooms.js';
import { Tokens } from './tokens.js';
import type {
  ChangesCallbacks, ChangesQuery, Client, ClientOptions, ComponentHandle, EntityHandle, Id, Row, Status, Unsubscribe,
} from './types.js';
import { pageVisibility } from './visibility.js';

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
  return new WalcastClient(url.replace(/\/$/, ''), {
    ...defaults,
    visibility: pageVisibility(),
    fetch: (...request) => fetch(...request),
    ...options,
  });
}

class WalcastClient implements Client {
  readonly _connection: Connection;
  #listeners = new Listeners();
  #http: Http;
  #rooms: Rooms;
  #follows: Follows | undefined;
  #stopWatching: Unsubscribe;

  constructor(url: string, options: Required<ClientOptions>) {
    const { visibility, timeout } = options;
    const tokens = new Tokens(options.token);
    this.#http = new Http(url, tokens, timeout, options.fetch);
    this.#rooms = new Rooms(() => this._connection, this.#http, this.#listeners, options.grace, timeout);
    this._connection = new Connection(url, options, tokens, this.#rooms, this.#listeners);
    const look = () => this._connection._happens(visibility.hidden ? 'hidden' : 'visible');
    this.#stopWatching = visibility.onChange(look);
    look();
    if (options.autoConnect) this.connect();
  }

  get status(): Status {
    return this._connection._status;
  }

  onStatus(callback: (status: Status) => void): Unsubscribe {
    return this.on(STATUS, callback);
  }

  on(event: string, callback: (payload: any) => void): Unsubscribe {
    return this.#listeners.on(event, callback);
  }

  component<T extends Row>(id: Id): ComponentHandle<T> {
    return this.row('component', id);
  }

  entity<T extends Row>(type: string, id: Id): EntityHandle<T> {
    return this.rowsOf('component', type, id);
  }

  row<T extends Row>(prefix: string, id: Id): ComponentHandle<T> {
    return this.#rooms._room([prefix, `${id}`], () => new RowRoom<T>(this.#rooms, prefix, `${id}`));
  }

  rowsOf<T extends Row>(prefix: string, type: string, id: Id, key?: (row: T) => string): EntityHandle<T> {
    const make = () => new EntityRoom<T>(this.#rooms, prefix, type, `${id}`, key);
    return this.#rooms._room([prefix, type, `${id}`], make);
  }

  changes<T extends Row>(query: ChangesQuery, callbacks: ChangesCallbacks<T>): Unsubscribe {
    // Most pages follow no table, so what it takes is loaded by those that do.
    const stop = import('./follows.js').then(({ Follows }) => (this.#follows ??= new Follows(this.#rooms))._add(query, callbacks));
    stop.catch((error) => callbacks.onError?.(error));
    return () => void stop.then((leave) => leave(), () => {});
  }

  async broadcast(room: string, event: string, payload: Record<string, unknown> = {}): Promise<void> {
    const { broadcast } = await import('./broadcast.js');
    return broadcast(this.#http, room, event, payload);
  }

  connect(): void {
    this._connection._happens('connect');
  }

  disconnect(): void {
    this._connection._happens('disconnect');
  }

  close(): void {
    this.#stopWatching();
    this.disconnect();
    this.#rooms._close();
  }
}
