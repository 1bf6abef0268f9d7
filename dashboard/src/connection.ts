import { io, type Socket } from 'socket.io-client';
import { Series, type Answer, type ShownEvent, type Snapshot } from './model';

/** In this tab only: it is gone with it, and no other site sees it. */
const TOKEN = 'walcast-admin-token';
/** How many events the inspector shows. */
const MOST_EVENTS = 200;
/** How long an answer may take: the doctor asks the database a dozen questions. */
const PATIENCE = 20_000;

export type Phase =
  | { name: 'connecting' }
  /** `problem`: why the token that was shown is refused. */
  | { name: 'signed-out'; problem: string | null }
  | { name: 'live' }
  /** `because`: what the server says of itself over HTTP, if it says anything. */
  | { name: 'lost'; because: string | null };

export interface Lens {
  room: string;
  table: string;
}

/** The connection to the server, and all that came over it. Who shows it is told when it changes. */
export class Connection {
  phase: Phase = { name: 'connecting' };
  snapshot: Snapshot | null = null;
  series = new Series();
  lens: Lens | null = null;
  events: ShownEvent[] = [];
  passedOver = 0;
  #socket: Socket;
  #listeners = new Set<() => void>();

  constructor() {
    this.#socket = io('/dashboard', {
      auth: (send) => send({ token: sessionStorage.getItem(TOKEN) ?? '' }),
      transports: ['websocket', 'polling'],
      tryAllTransports: true,
      reconnectionDelayMax: 3_000,
    });
    this.#socket
      .on('connect', () => {
        this.#enter({ name: 'live' });
        if (this.lens) void this.inspect(this.lens);
      })
      .on('connect_error', (error) => {
        if (error.message.startsWith('Authentication error')) this.#refused(error.message);
        else void this.#lost();
      })
      .on('disconnect', (reason) => {
        // The token has expired: asking once more tells so.
        if (reason === 'io server disconnect') this.#socket.connect();
        else if (reason !== 'io client disconnect') void this.#lost();
      })
      .on('snapshot', (snapshot: Snapshot) => {
        this.snapshot = snapshot;
        this.series.take(snapshot);
        this.#changed();
      })
      .on('events', (shown: { events: ShownEvent[]; passedOver: number }) => {
        if (!this.lens) return;
        this.events = [...shown.events.reverse(), ...this.events].slice(0, MOST_EVENTS);
        this.passedOver += shown.passedOver;
        this.#changed();
      });
  }

  signIn(token: string) {
    sessionStorage.setItem(TOKEN, token.trim());
    this.#enter({ name: 'connecting' });
    this.#socket.disconnect().connect();
  }

  signOut() {
    sessionStorage.removeItem(TOKEN);
    this.#socket.disconnect();
    Object.assign(this, { snapshot: null, series: new Series(), lens: null, events: [], passedOver: 0 });
    this.#enter({ name: 'signed-out', problem: null });
  }

  get hasToken(): boolean {
    return !!sessionStorage.getItem(TOKEN);
  }

  /** Shows the events that match; null: none. */
  async inspect(lens: Lens | null) {
    this.lens = lens;
    if (lens) Object.assign(this, { events: [], passedOver: 0 });
    this.#changed();
    await this.ask('inspect', lens);
  }

  async ask<T>(event: string, ...args: unknown[]): Promise<Answer<T>> {
    try {
      return await this.#socket.timeout(PATIENCE).emitWithAck(event, ...args);
    } catch {
      return { ok: false, error: 'the server did not answer' };
    }
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #refused(message: string) {
    const problem = this.hasToken ? `${message.replace('Authentication error: ', '')}. It may have expired.` : null;
    sessionStorage.removeItem(TOKEN);
    this.#enter({ name: 'signed-out', problem: message.endsWith('Not an admin') ? 'This token is not an admin’s.' : problem });
  }

  async #lost() {
    const before = this.phase;
    if (before.name !== 'lost') this.#enter({ name: 'lost', because: null });
    const state = await fetch('/readyz').then((answer) => answer.json()).then(({ status }) => String(status), () => null);
    if (this.phase.name === 'lost') this.#enter({ name: 'lost', because: state });
  }

  #enter(phase: Phase) {
    this.phase = phase;
    this.#changed();
  }

  #changed() {
    this.#listeners.forEach((listener) => listener());
  }
}
