import type { Answer } from './http.js';
import { isNewer, isOlder } from './offset.js';
import { applyEvent, difference } from './reduce.js';
import type { ChangeEvent, Offset, Row } from './types.js';

/** A write of our own that was carried out, as the events that nobody sends us. */
export interface OwnWrite {
  type: 'own';
  componentId: string;
  version: number | undefined;
  events: ChangeEvent<any>[];
}

const LONGEST_PAUSE_MS = 5_000;
const FIRST_PAUSE_MS = 100;

/**
 * The rows of a room: fetched, and kept right by events.
 *
 * What is not told us is our own updates: acks do, and an ack may come before events of earlier commits, or after those of
 * later ones. By the versions it shows, and then the rows are fetched again.
 */
export class Replica {
  rows: Map<string, Row> | undefined;
  error: Error | undefined;
  /** What came while a fetch is under way, to be applied to what it brings. */
  private early: (ChangeEvent<any> | OwnWrite)[] | undefined;
  /** How many of these whoever listens has been told. */
  private told = 0;
  /** Rows that we have written since they were fetched, and to which version. */
  private readonly own = new Map<string, number>();
  /** A fetch that was overtaken by another has an old one. */
  private ticket = 0;
  /** What is older than this does not hold what we were told already. */
  private floor: Offset | undefined;

  constructor(
    private readonly fetch: () => Promise<Answer>,
    private readonly idOf: (row: Row) => string,
    /** Events that had to wait for the rows, so that one knows whom they concern; and whenever anything is other. */
    private readonly tell: (event: ChangeEvent<any>) => void,
    private readonly changed: () => void,
  ) {}

  get isFetching(): boolean {
    return this.early !== undefined;
  }

  /** Fetches, until it has succeeded or is not wanted any more. */
  async refill(floor = this.floor): Promise<void> {
    const ticket = ++this.ticket;
    this.early = [];
    this.told = 0;
    this.floor = floor;
    this.changed();
    for (let pause = FIRST_PAUSE_MS; ticket === this.ticket; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
      try {
        const answer = await this.fetch();
        if (ticket !== this.ticket || this.fill(answer)) return;
      } catch (error) {
        if (ticket !== this.ticket) return;
        this.error = error as Error;
        // Who only listens is told all there is rather than nothing.
        if (!this.rows) for (; this.told < this.early.length; this.told++) this.tellEarly(this.early[this.told]!);
        this.changed();
      }
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }

  /** Nobody waits for a fetch any more. */
  stop(): void {
    this.ticket += 1;
    this.early = undefined;
  }

  /** Takes an answer, unless we have been told of what is not in it yet. */
  private fill({ rows, offset }: Answer): boolean {
    if (isOlder(offset, this.floor)) return false;
    const { early = [] } = this;
    const isFirst = !this.rows;
    this.stop();
    this.error = undefined;
    this.rows = this.byId(rows);
    for (const [id, version] of this.own) if (version !== Infinity) this.own.delete(id);
    early.forEach((event, place) => {
      if (event.type === 'own') {
        if (!(event.version! <= this.rows!.get(event.componentId)?.version!)) this.wrote(event);
      } else if (!event.offset || !offset || isNewer(event.offset, offset)) {
        const isOurs = event.type === 'created' || this.rows!.has(event.componentId);
        this.take(event);
        if (isFirst && isOurs && place >= this.told) this.tell(event);
      }
    });
    this.changed();
    return true;
  }

  take(event: ChangeEvent<any>): void {
    const { rows, early } = this;
    early?.push(event);
    if (!rows) return;
    const before = rows.get(event.componentId);
    const after = applyEvent(before ?? null, event);
    if (after) rows.set(event.componentId, after);
    else rows.delete(event.componentId);
    // An ack has overtaken it, so what we have now is neither before nor after it.
    if (!early && this.own.get(event.componentId)! > (event.version ?? 0)) void this.refill();
    if (after !== before) this.changed();
  }

  wrote(write: OwnWrite): void {
    const { componentId, version, events } = write;
    this.early?.push(write);
    const row = this.rows?.get(componentId);
    if (!this.rows || !row) return;
    const isLate = version! < row.version!;
    const isNext = version !== undefined && (version === row.version || version === row.version! + 1);
    if (!isLate) {
      const after = events.reduce<Row | null>(applyEvent, row);
      if (after) this.rows.set(componentId, after);
    }
    this.own.set(componentId, version ?? Infinity);
    if (!isNext && !this.isFetching) void this.refill();
    this.changed();
  }

  /** What a poll brought, as the events that would have led there. `undefined`: there was nothing to compare it with. */
  polled(answer: Answer): ChangeEvent<any>[] | undefined {
    const { rows } = this;
    if (!rows || this.isFetching) {
      this.early ??= [];
      this.floor = undefined;
      this.fill(answer);
      return undefined;
    }
    if (answer.unchanged) return [];
    const events = difference(rows, this.byId(answer.rows));
    this.own.clear();
    this.rows = this.byId(answer.rows);
    if (events.length) this.changed();
    return events;
  }

  private tellEarly(event: ChangeEvent<any> | OwnWrite): void {
    if (event.type !== 'own') this.tell(event);
  }

  private byId(rows: Row[]): Map<string, Row> {
    return new Map(rows.map((row) => [this.idOf(row), row]));
  }
}
