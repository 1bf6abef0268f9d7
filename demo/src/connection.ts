import type { ChangeEvent, Client, EntityHandle, Status } from 'walcast-client';
import { Changing } from './changing';

/** How we came back from being away. */
export interface Return {
  at: number;
  seconds: number;
  /** Changes of that time, told now. */
  caughtUp: number;
  /** Too much was missed to be told: the page was fetched again. */
  isFetched: boolean;
}

/** The line to the server, and what was missed while it was cut. */
export class Connection extends Changing {
  /** Whether it was cut here, by hand. */
  isCut = false;
  back: Return | undefined;
  problem: string | undefined;
  #left: number | undefined;

  constructor(readonly client: Client, room: EntityHandle) {
    super();
    client.onStatus((status) => this.#turn(status));
    client.on('error', ({ message }) => {
      this.problem = message;
      this.changed();
    });
    room.on('resync', () => {
      if (this.back) this.back.isFetched = true;
      this.changed();
    });
  }

  get status(): Status {
    return this.client.status;
  }

  cut(): void {
    this.isCut = true;
    this.client.disconnect();
    this.changed();
  }

  mend(): void {
    this.isCut = false;
    this.client.connect();
    this.changed();
  }

  /** Whether an event is of the time when we were away. Server and page are on one machine, so they have one clock. */
  hasMissed({ timestamp }: ChangeEvent): boolean {
    const { back } = this;
    if (!back || !timestamp || Date.parse(timestamp) > back.at) return false;
    back.caughtUp += 1;
    this.changed();
    return true;
  }

  dismiss(): void {
    this.back = undefined;
    this.changed();
  }

  #turn(status: Status): void {
    const now = Date.now();
    if (status === 'live') {
      this.problem = undefined;
      this.back = this.#left === undefined
        ? undefined
        : { at: now, seconds: Math.round((now - this.#left) / 1_000), caughtUp: 0, isFetched: false };
      this.#left = undefined;
    } else {
      this.back = undefined;
      // Who polls has missed nothing.
      this.#left = status === 'polling' ? undefined : (this.#left ?? now);
    }
    this.changed();
  }
}
