import type { Failure } from './error.js';

/** Between two requests, a little more than the server wants unless it is told otherwise: writes and cursors ask as well. */
const GAP_MS = 12;
/** A tab that nobody looks at is woken seldom, and has much to make up for then. */
const AT_ONCE = 50;
const BUSY_MS = 1_000;

const sleep = (pause: number) => new Promise((resolve) => setTimeout(resolve, pause));

/** Requests that wait, since the server takes only so many in a second, and disconnects who does not heed that. */
export class Turns {
  /** By what they are of, so that of two that ask the same the later does. */
  #waiting = new Map<object, () => void>();
  #gap = GAP_MS;
  #since = 0;

  _add(of: object, ask: () => void, failure: Failure | undefined): void {
    const isIdle = !this.#waiting.size;
    this.#waiting.set(of, ask);
    const now = Date.now();
    if (isIdle) this.#since = Math.max(this.#since, now);
    if (failure?.code === 'rate_limited') {
      // Nothing may be asked before that is over, and by it one learns how much may be.
      this.#gap = Math.max(this.#gap, failure.retryAfterMs!);
      this.#since = Math.max(this.#since, now);
    } else if (failure) this.#since = now + BUSY_MS;
    if (isIdle) void this.#run();
  }

  async #run(): Promise<void> {
    while (this.#waiting.size) {
      await sleep(Math.max(this.#since + this.#gap - Date.now(), 0));
      const elapsed = Date.now() - this.#since;
      const turns = Math.min(AT_ONCE, Math.floor(elapsed / this.#gap));
      if (turns > 0) this.#since = Date.now();
      for (const [of, ask] of [...this.#waiting].slice(0, turns)) {
        this.#waiting.delete(of);
        ask();
      }
    }
  }
}
