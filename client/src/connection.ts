import { io } from 'socket.io-client';
import type { Socket } from 'socket.io-client';
import { WalcastError } from './error.js';
import type { Listeners } from './listeners.js';
import { initial, statusOf, step } from './machine.js';
import type { Activity, Event, State } from './machine.js';
import type { Poller } from './poller.js';
import type { Line, Rooms } from './rooms.js';
import type { Tokens } from './tokens.js';
import type { ClientOptions, Status } from './types.js';

/** No name of an event on the wire. */
export const STATUS = ' status';
const LONGEST_PAUSE_MS = 30_000;

/** The socket, and whatever is done while there is none: it carries out the effects of the state machine. */
export class Connection implements Line {
  readonly socket: Socket;
  #state: State = initial;
  #clocks: Partial<Record<Activity, ReturnType<typeof setTimeout>>> = {};
  #poller: Poller | undefined;

  constructor(
    url: string,
    readonly options: Required<ClientOptions>,
    readonly tokens: Tokens,
    readonly rooms: Rooms,
    readonly listeners: Listeners,
  ) {
    const { path, retryDelay, retryDelayMax } = options;
    this.socket = io(url, {
      path,
      forceNew: true,
      autoConnect: false,
      transports: ['websocket', 'polling'],
      tryAllTransports: true,
      reconnectionDelay: retryDelay,
      reconnectionDelayMax: retryDelayMax,
      auth: (give) => void this.#handshake(give),
    });
    this.socket
      .on('connect', () => {
        rooms.connected();
        this.happens('connected');
      })
      .on('disconnect', () => {
        rooms.disconnected();
        this.happens('lost');
        // After some reasons the library stays away.
        if (!this.socket.active && this.#state.phase === 'connecting') this.socket.connect();
      })
      .on('connect_error', (error) => (this.socket.active ? this.happens('failed') : this.#refused(error)))
      .onAny((event: string, payload: any = {}) => {
        if (event === 'component:error' && payload.event === 'auth') void this.#refresh();
        else rooms.take(event, payload);
      });
  }

  get status(): Status {
    return statusOf(this.#state);
  }

  get isPolling(): boolean {
    return this.#state.phase === 'polling';
  }

  emit(event: string, payload: object, ack: (ack: any) => void = () => {}): boolean {
    if (this.socket.connected) this.socket.emit(event, payload, ack);
    return this.socket.connected;
  }

  /** A page that nobody looks at has nothing to say that nobody keeps. */
  say(event: string, payload: object): boolean {
    return !this.#state.hidden && this.emit(event, payload);
  }

  happens(event: Event): void {
    const before = this.status;
    const [state, effects] = step(this.#state, event, this.options.failuresBeforePolling);
    this.#state = state;
    for (const { activity, begins } of effects) this.#carryOut(activity, begins);
    if (event === 'visible') for (const room of this.rooms.all()) room.presence.repeat(false);
    if (this.status !== before) this.listeners.emit(STATUS, this.status);
  }

  poke(): void {
    if (this.isPolling && !this.#state.hidden) this.#poller?.start();
  }

  #carryOut(activity: Activity, begins: boolean): void {
    if (activity === 'socket') return void this.socket[begins ? 'connect' : 'disconnect']();
    if (activity === 'polling') return void (begins ? this.#poll() : this.#poller?.stop());
    const { retryDelay, hiddenTimeout } = this.options;
    const retryPause = Math.min(retryDelay * 2 ** (this.#state.refusals - 1), LONGEST_PAUSE_MS);
    clearTimeout(this.#clocks[activity]);
    const pause = activity === 'idle' ? hiddenTimeout : retryPause;
    if (begins) this.#clocks[activity] = setTimeout(() => this.happens(activity), pause);
  }

  /** Most pages never poll, so what it takes is loaded by those that do. */
  async #poll(): Promise<void> {
    try {
      const { Poller } = await import('./poller.js');
      this.#poller ??= new Poller(this.rooms, this.options.pollInterval, (outcome) => this.happens(outcome));
      this.poke();
    } catch (error) {
      this.listeners.emit('error', error);
    }
  }

  async #handshake(give: (auth: object) => void): Promise<void> {
    const { engine } = this.socket.io;
    const isCurrent = () => engine === this.socket.io.engine;
    try {
      const token = await this.tokens.renew();
      if (isCurrent()) give({ token, recovery: false, ...this.rooms.handshake() });
    } catch (error) {
      if (isCurrent()) this.#refused(error);
    }
  }

  #refused(error: unknown): void {
    this.listeners.emit('error', error);
    this.happens('refused');
  }

  /** The server lets us stay for a while without; if this fails it disconnects us, and we come back with another token. */
  async #refresh(): Promise<void> {
    try {
      const token = await this.tokens.renew();
      this.emit('auth:refresh', { token }, ({ error }) => error && this.listeners.emit('error', new WalcastError(error)));
    } catch (error) {
      this.listeners.emit('error', error);
    }
  }
}
