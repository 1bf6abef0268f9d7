import type { Socket } from 'socket.io-client';
import { WalcastError } from './error.js';
import type { Listeners } from './listeners.js';
import { initial, statusOf, step } from './machine.js';
import type { Activity, Event, State } from './machine.js';
import { HeedfulManager } from './manager.js';
import type { Poller } from './poller.js';
import type { Line, Rooms } from './rooms.js';
import type { Tokens } from './tokens.js';
import type { ClientOptions, Status } from './types.js';

/** No name of an event on the wire. */
export const STATUS = ' status';
const LONGEST_PAUSE_MS = 30_000;

/** The socket, and whatever is done while there is none: it carries out the effects of the state machine. */
export class Connection implements Line {
  readonly _socket: Socket;
  #state: State = initial;
  #clocks: Partial<Record<Activity, ReturnType<typeof setTimeout>>> = {};
  #poller: Poller | undefined;

  constructor(
    url: string,
    readonly _options: Required<ClientOptions>,
    readonly _tokens: Tokens,
    readonly _rooms: Rooms,
    readonly _listeners: Listeners,
  ) {
    const { path, retryDelay, retryDelayMax } = _options;
    const manager = new HeedfulManager(url, {
      path,
      autoConnect: false,
      transports: ['websocket', 'polling'],
      tryAllTransports: true,
      reconnectionDelay: retryDelay,
      reconnectionDelayMax: retryDelayMax,
    });
    this._socket = manager
      .socket('/', { auth: (give) => void this.#handshake(give) })
      .on('connect', () => {
        _rooms._connected();
        this._happens('connected');
      })
      .on('disconnect', () => {
        _rooms._disconnected();
        this._happens('lost');
        // After some reasons the library stays away.
        if (!this._socket.active && this.#state.phase === 'connecting') this._socket.connect();
      })
      .on('connect_error', (error) => (this._socket.active ? this._happens('failed') : this.#refused(error)))
      .onAny((event: string, payload: any = {}) => {
        if (event === 'component:error' && payload.event === 'auth') void this.#refresh();
        else _rooms._take(event, payload);
      });
  }

  get _status(): Status {
    return statusOf(this.#state);
  }

  get _isHidden(): boolean {
    return this.#state.hidden;
  }

  get _isPolling(): boolean {
    return this.#state.phase === 'polling';
  }

  _emit(event: string, payload: object, ack: (ack: any) => void = () => {}): boolean {
    return this._socket.connected && !!this._socket.emit(event, payload, ack);
  }

  _happens(event: Event): void {
    const before = this._status;
    const [state, effects] = step(this.#state, event, this._options.failuresBeforePolling);
    this.#state = state;
    for (const effect of effects) this.#carryOut(...effect);
    if (event === 'visible') for (const room of this._rooms._all()) room.presence._repeat(false);
    if (this._status !== before) this._listeners.emit(STATUS, this._status);
  }

  _poke(): void {
    if (this._isPolling && !this.#state.hidden) this.#poller?._start();
  }

  #carryOut(activity: Activity, begins: boolean): void {
    if (activity === 'socket') return void this._socket[begins ? 'connect' : 'disconnect']();
    if (activity === 'polling') return void (begins ? this.#poll() : this.#poller?._stop());
    const { retryDelay, hiddenTimeout } = this._options;
    const pause = activity === 'idle' ? hiddenTimeout : Math.min(retryDelay * 2 ** (this.#state._refusals - 1), LONGEST_PAUSE_MS);
    clearTimeout(this.#clocks[activity]);
    if (begins) this.#clocks[activity] = setTimeout(() => this._happens(activity), pause);
  }

  /** Most pages never poll, so what it takes is loaded by those that do. */
  async #poll(): Promise<void> {
    try {
      const { Poller } = await import('./poller.js');
      this.#poller ??= new Poller(this._rooms, this._options.pollInterval, (outcome) => this._happens(outcome));
      this._poke();
    } catch (error) {
      this._listeners.emit('error', error);
    }
  }

  async #handshake(give: (auth: object) => void): Promise<void> {
    const { engine } = this._socket.io;
    const isCurrent = () => engine === this._socket.io.engine;
    try {
      const token = await this._tokens._renew();
      if (isCurrent()) give({ token, recovery: false, ...this._rooms._handshake() });
    } catch (error) {
      if (isCurrent()) this.#refused(error);
    }
  }

  #refused(error: unknown): void {
    this._listeners.emit('error', error);
    this._happens('refused');
  }

  /** The server lets us stay for a while without; if this fails it disconnects us, and we come back with another token. */
  async #refresh(): Promise<void> {
    try {
      const token = await this._tokens._renew();
      this._emit('auth:refresh', { token }, ({ error }) => error && this._listeners.emit('error', new WalcastError(error)));
    } catch (error) {
      this._listeners.emit('error', error);
    }
  }
}
