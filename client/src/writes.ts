import { WalcastError } from './error.js';

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
  private readonly waiting = new Set<Write>();

  constructor(
    private readonly emit: (event: string, payload: object, ack: (ack: any) => void) => boolean,
    private readonly timeout: number,
  ) {}

  ask<A>(event: string, payload: object): Promise<A> {
    return new Promise((resolve, reject) => {
      const until = Date.now() + this.timeout;
      const write: Write = {
        event,
        payload: { ...payload, mutationId: mutationId() },
        isSent: false,
        settle: (ack) => {
          const error = ack.error as { code: WalcastError['code']; message: string; retryAfterMs?: number } | undefined;
          const isBusy = error?.code === 'unavailable' || error?.code === 'rate_limited';
          const pause = error?.retryAfterMs ?? PAUSE_MS;
          if (isBusy && Date.now() + pause < until) return void setTimeout(() => this.send(write), pause);
          clearTimeout(clock);
          if (!this.waiting.delete(write)) return;
          if (!error) return resolve(ack);
          const { code, message, ...details } = error;
          reject(new WalcastError(code, message, { written: code === 'unavailable' ? 'unknown' : false, ...details }));
        },
      };
      const clock = setTimeout(() => write.settle(unanswered(write)), this.timeout);
      this.waiting.add(write);
      this.send(write);
    });
  }

  /** There is a connection. */
  resend(): void {
    for (const write of this.waiting) this.send(write);
  }

  /** There will be none. */
  end(): void {
    for (const write of this.waiting) write.settle(unanswered(write));
  }

  private send(write: Write): void {
    if (this.waiting.has(write) && this.emit(write.event, write.payload, write.settle)) write.isSent = true;
  }
}

const unanswered = ({ event, isSent }: Write) => ({
  error: isSent
    ? { code: 'timeout', message: `${event} was not answered: it may have been carried out or not, fetch to know`, written: 'unknown' }
    : { code: 'disconnected', message: `${event} was not sent, since there is no connection: nothing was written` },
});

/** Unguessable it need not be, only no other's; `randomUUID` is there on secure pages alone. */
const mutationId = () =>
  globalThis.crypto?.randomUUID?.() ?? Array.from({ length: 3 }, () => Math.random().toString(36).slice(2)).join('');
