import type { Answer } from './http.js';
import { isNewer, isOlder } from './offset.js';
import { applyEvent } from './reduce.js';
import type { ChangeEvent, Offset, Row } from './types.js';

type Change = ChangeEvent<any>;

/** What a replica needs of its room. */
export interface Owner {
  _idOf(row: Row): string;
  _load(): Promise<Answer>;
  /** Events that had to wait for the rows, so that one knows whom they concern. */
  _tell(event: Change): void;
  _changed(): void;
}

const LONGEST_PAUSE_MS = 5_000;
const FIRST_PAUSE_MS = 100;

/**
 * The rows of a room: fetched, and kept right by events.
 *
 * What is not told us is our own updates: acks do (writes.ts), and an ack may come before events of earlier commits, or after
 * those of later ones. By the versions it shows, and then the rows are fetched again.
 */
export class Replica {
  rows: Map<string, Row> | undefined;
  error: Error | undefined;
  /** What came while a fetch is under way, to be applied to what it brings: events, and what writes of our own do. */
  _early: (Change | (() => void))[] | undefined;
  /** Rows that we have written since they were fetched, and to which version. */
  _own = new Map<string, number>();
  /** A fetch that was overtaken by another has an old one. */
  #ticket = 0;
  /** What is older than this does not hold what we were told already. */
  #floor: Offset | undefined;

  constructor(readonly _owner: Owner) {}

  get _isFetching(): boolean {
    return !!this._early;
  }

  /** Fetches, until it has succeeded or is not wanted any more. */
  async _refill(floor = this.#floor): Promise<void> {
    const ticket = ++this.#ticket;
    const early: (Change | (() => void))[] = (this._early = []);
    this.#floor = floor;
    this._owner._changed();
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
      try {
        const answer = await this._owner._load();
        if (ticket !== this.#ticket || this._fill(answer)) return;
      } catch (error) {
        if (ticket !== this.#ticket) return;
        this.error = error as Error;
        // Who only listens is told all there is rather than nothing. The next fetch must hold that, since it is not kept.
        for (const event of this.rows ? [] : early.splice(0)) {
          if ('type' in event) {
            this.#floor = event.offset ?? this.#floor;
            this._owner._tell(event);
          }
        }
        this._owner._changed();
      }
      await new Promise((resolve) => setTimeout(resolve, pause));
      if (ticket !== this.#ticket) return;
    }
  }

  /** Nobody waits for a fetch any more, or for the rows. */
  _stop(): void {
    this.#ticket += 1;
    this._early = this.rows = undefined;
  }

  _take(event: Change): void {
    const isSettled = !this._early;
    this._early?.push(event);
    this._apply(event);
    // An ack has overtaken it, so what we have now is neither before nor after it.
    if (isSettled && this._own.get(event.componentId)! > (event.version ?? 0)) void this._refill();
  }

  _apply(event: Change): void {
    const before = this.rows?.get(event.componentId) ?? null;
    const after = applyEvent(before, event);
    if (after === before || !this.rows) return;
    if (after) this.rows.set(event.componentId, after);
    else this.rows.delete(event.componentId);
    this._owner._changed();
  }

  /** Takes an answer, unless we have been told of what is not in it yet. */
  _fill({ rows, offset }: Answer): boolean {
    if (isOlder(offset, this.#floor)) return false;
    const early = this._early ?? [];
    const isFirst = !this.rows;
    this._stop();
    this.error = undefined;
    const held = (this.rows = new Map(rows.map((row) => [this._owner._idOf(row), row])));
    for (const [id, version] of this._own) if (version < Infinity) this._own.delete(id);
    early.forEach((event) => {
      if (!('type' in event)) event();
      else if (!event.offset || !offset || isNewer(event.offset, offset)) {
        const isOurs = event.type === 'created' || held.has(event.componentId);
        this._take(event);
        if (isFirst && isOurs) this._owner._tell(event);
      }
    });
    this._owner._changed();
    return true;
  }
}
