import { isBusy, WalcastError } from './error.js';

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
  #emit: (event: string, payload: object, ack: (ack: any) => void) => boolean;
  #timeout: number;

  constructor(emit: (event: string, payload: object, ack: (ack: any) => void) => boolean, timeout: number) {
    this.#emit = emit;
    this.#timeout = timeout;
  }

  ask(event: string, payload: object): Promise<any> {
    return new Promise((resolve, reject) => {
      const until = Date.now() + this.#timeout;
      const settle = (ack: any) => {
        const { error } = ack;
        const pause = error?.retryAfterMs ?? PAUSE_MS;
        if (isBusy(error) && Date.now() + pause < until) return void setTimeout(() => this.#send(write), pause);
        clearTimeout(clock);
        this.#waiting.delete(write);
        if (error) reject(new WalcastError({ written: error.code === 'unavailable' && 'unknown', ...error }));
        else resolve(ack);
      };
      const write: Write = { event, payload: { ...payload, mutationId: mutationId() }, isSent: false, settle };
      const clock = setTimeout(() => settle(unanswered(write)), this.#timeout);
      this.#waiting.add(write);
      this.#send(write);
    });
  }

  /** There is a connection. */
  resend(): void {
    for (const write of this.#waiting) this.#send(write);
  }

  /** There will be none. */
  end(): void {
    for (const write of this.#waiting) write.settle(unanswered(write));
  }

  #send(write: Write): void {
    if (this.#waiting.has(write) && this.#emit(write.event, write.payload, write.settle)) write.isSent = true;
  }
}

const unanswered = ({ event, isSent }: Write) => ({
  error: isSent
    ? { code: 'timeout', message: `${event} was not answered: fetch to know whether it was carried out`, written: 'unknown' }
    : { code: 'disconnected', message: `${event} was not sent, for there is no connection: try again` },
});

/** `randomUUID` is there on secure pages alone. */
const mutationId = () => globalThis.crypto?.randomUUID?.() ?? `${Math.random()}${Math.random()}`;
