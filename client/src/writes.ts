import { isBusy, WalcastError } from './error.js';
import type { Replica } from './replica.js';
import type { Room } from './room.js';
import { CLOSED, CONNECTED } from './rooms.js';
import type { Rooms } from './rooms.js';
import type { ChangeEvent } from './types.js';

interface Write {
  event: string;
  payload: object;
  isSent: boolean;
  settle: (ack: any) => void;
}

const PAUSE_MS = 300;

/**
 * Writes that wait for their acks. Each has a name of its own (`mutationId`), by which the server carries it out once, so one
 * whose ack is missing is sent again over the next connection, in the order in which they were asked for.
 */
export class Writes {
  #waiting = new Set<Write>();

  constructor(
    readonly _rooms: Rooms,
    readonly _timeout: number,
  ) {
    const each = (does: (write: Write) => void) => () => this.#waiting.forEach(does);
    _rooms._listeners.on(CONNECTED, each((write) => this.#send(write)));
    _rooms._listeners.on(CLOSED, each((write) => write.settle(unanswered(write))));
  }

  _write({ _prefix: prefix }: Room, verb: string, payload: any): Promise<any> {
    return this.#ask(`${prefix}:${verb}`, payload, (ack) => {
      if (!/update|nested/.test(verb)) return;
      const events = ownWrite(verb, payload.id, payload, ack);
      for (const room of this._rooms._all()) if (room._prefix === prefix) take(room._replica, events);
    });
  }

  /** `done` hears of an ack that comes too late as well: what it tells nobody else does. */
  #ask(event: string, payload: object, done: (ack: any) => void): Promise<any> {
    return new Promise((resolve, reject) => {
      const until = Date.now() + this._timeout;
      const settle = (ack: any) => {
        const { error } = ack;
        const pause = error?.retryAfterMs ?? PAUSE_MS;
        if (isBusy(error) && Date.now() + pause < until) return void setTimeout(() => this.#send(write), pause);
        clearTimeout(clock);
        this.#waiting.delete(write);
        if (error) return reject(new WalcastError({ written: error.code === 'unavailable' && 'unknown', ...error }));
        done(ack);
        resolve(ack);
      };
      const write: Write = { event, payload: { ...payload, mutationId: mutationId() }, isSent: false, settle };
      const clock = setTimeout(() => settle(unanswered(write)), this._timeout);
      this.#waiting.add(write);
      this.#send(write);
    });
  }

  #send(write: Write): void {
    if (this.#waiting.has(write) && this._rooms._way()._emit(write.event, write.payload, write.settle)) write.isSent = true;
  }
}

const unanswered = ({ event, isSent }: Write) => ({
  error: isSent
    ? { code: 'timeout', message: `${event} was not answered: fetch to know whether it was carried out`, written: 'unknown' }
    : { code: 'disconnected', message: `${event} was not sent, for there is no connection: try again` },
});

/** `randomUUID` is there on secure pages alone. */
const mutationId = () => globalThis.crypto?.randomUUID?.() ?? `${Math.random()}${Math.random()}`;

/** A write of our own that was carried out, as the events that nobody sends us. */
type OwnWrite = ChangeEvent<any>[];

/** What it makes of the rows that are held, and of those that a fetch brings which is under way. */
function take(replica: Replica, events: OwnWrite): void {
  const [{ componentId, version }] = events as [ChangeEvent<any>];
  replica._early?.push(() => {
    if (!(version! <= replica.rows!.get(componentId)?.version!)) take(replica, events);
  });
  const row = replica.rows?.get(componentId);
  if (!row) return;
  const step = version! - row.version!;
  if (!(step < 0)) events.forEach((event) => replica._apply(event));
  replica._own.set(componentId, version ?? Infinity);
  if (step !== 0 && step !== 1 && !replica._early) void replica._refill();
}

/**
 * What a write of ours has changed, of which no event tells us: what we said, and what the ack adds to it. Nested components
 * that come or go are told to everyone, but what the row itself counts is not.
 */
export function ownWrite(verb: string, componentId: string, said: any, { version, updates }: any): OwnWrite {
  const told = { componentId, updatedBy: null, version };
  const kept = { ...told, type: 'updated' as const, updates: { ...(verb === 'update' && said.updates), ...updates } };
  return verb === 'nested-update' ? [{ ...told, ...said, type: 'nested-updated', version }, kept] : [kept];
}
