import { io } from 'socket.io-client';
import type { Socket } from 'socket.io-client';
import { Listeners } from './listeners.js';
import { initial, statusOf, step } from './machine.js';
import type { Effect, Event, State } from './machine.js';
import { Poller } from './poller.js';
import type { Line, Rooms } from './rooms.js';
import type { Tokens } from './tokens.js';
import type { ClientOptions } from './types.js';
import type { Writes } from './writes.js';

const AUTHENTICATION = 'Authentication error';
/** No name of an event on the wire. */
export const STATUS = ' status';
const LONGEST_PAUSE_MS = 30_000;

/** The socket, and whatever is done while there is none: it carries out the effects of the state machine. */
export class Connection implements Line {
  readonly socket: Socket;
  private state: State = initial;
  private readonly poller: Poller;
  private clock: ReturnType<typeof setTimeout> | undefined;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private readonly stopWatching: () => void;

  constructor(
    url: string,
    private readonly options: Required<ClientOptions>,
    private readonly tokens: Tokens,
    private readonly rooms: Rooms,
    private readonly writes: Writes,
    private readonly listeners: Listeners,
  ) {
    const { visibility } = options;
    this.socket = io(url, {
      forceNew: true,
      autoConnect: false,
      path: options.path,
      transports: ['websocket', 'polling'],
      tryAllTransports: true,
      reconnectionDelay: options.retryDelay,
      reconnectionDelayMax: options.retryDelayMax,
      auth: (give) => void this.handshake(give),
    });
    this.poller = new Poller(rooms, options.pollInterval, (outcome) => this.happens(outcome));
    this.socket
      .on('connect', () => this.happens('connected'))
      .on('disconnect', () => {
        rooms.disconnected();
        this.happens('lost');
        // After some reasons the library stays away.
        if (!this.socket.active && this.state.phase === 'connecting') this.socket.connect();
      })
      .on('connect_error', (error) => {
        if (this.socket.active) return this.happens('failed');
        listeners.emit('error', error);
        this.happens('refused');
      })
      .onAny((event: string, payload: any) => this.take(event, payload));
    this.stopWatching = visibility.onChange(() => this.happens(visibility.hidden ? 'hidden' : 'visible'));
    if (visibility.hidden) this.happens('hidden');
  }

  get status() {
    return statusOf(this.state);
  }

  get isPolling(): boolean {
    return this.state.phase === 'polling';
  }

  emit(event: string, payload: object, ack: (ack: any) => void = () => {}): boolean {
    if (this.socket.connected) this.socket.emit(event, payload, ack);
    return this.socket.connected;
  }

  /** A page that nobody looks at has nothing to say that nobody keeps. */
  say(event: string, payload: object): boolean {
    const isSaid = this.socket.connected && !this.state.hidden;
    if (isSaid) this.socket.emit(event, payload);
    return isSaid;
  }

  happens(event: Event): void {
    const before = this.status;
    const [state, effects] = step(this.state, event, this.options.failuresBeforePolling);
    this.state = state;
    if (event === 'connected' && state.phase === 'live') {
      this.rooms.connected();
      this.writes.resend();
    }
    for (const effect of effects) this.carryOut(effect);
    if (event === 'visible') this.rooms.repeatPresence();
    if (this.status !== before) this.listeners.emit(STATUS, this.status);
  }

  poke(): void {
    if (this.isPolling && !this.state.hidden) this.poller.start();
  }

  close(): void {
    this.stopWatching();
    this.happens('disconnect');
  }

  private carryOut(effect: Effect): void {
    const pause = Math.min(this.options.retryDelay * 2 ** (this.state.refusals - 1), LONGEST_PAUSE_MS);
    if (effect === 'open') this.socket.connect();
    else if (effect === 'close') {
      clearTimeout(this.retry);
      this.socket.disconnect();
    } else if (effect === 'poll') this.poller.start();
    else if (effect === 'rest') this.poller.stop();
    else if (effect === 'retry') this.retry = setTimeout(() => this.happens('retry'), pause);
    else {
      clearTimeout(this.clock);
      if (effect === 'arm') this.clock = setTimeout(() => this.happens('idle'), this.options.hiddenTimeout);
    }
  }

  private async handshake(give: (auth: object) => void): Promise<void> {
    const { engine } = this.socket.io;
    try {
      const token = await this.tokens.renew();
      if (engine === this.socket.io.engine) give({ token, recovery: false, ...this.rooms.handshake() });
    } catch (error) {
      if (engine !== this.socket.io.engine) return;
      this.listeners.emit('error', error);
      this.socket.disconnect();
      this.happens('refused');
    }
  }

  private take(event: string, payload: any): void {
    if (event === 'component:error' && payload.event === 'auth') void this.refresh();
    else this.rooms.take(event, payload ?? {});
  }

  /** The server lets us stay for a while without; if this fails it disconnects us, and we come back with another token. */
  private async refresh(): Promise<void> {
    try {
      const token = await this.tokens.renew();
      const ack = await this.socket.timeout(this.options.timeout).emitWithAck('auth:refresh', { token });
      if (!ack.ok) throw new Error(`${AUTHENTICATION}: ${ack.error.message}`);
    } catch (error) {
      this.listeners.emit('error', error);
    }
  }
}
