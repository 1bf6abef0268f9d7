import { WalcastError } from '../../src/index.js';
import type { ComponentHandle, Row, Snapshot, Written } from '../../src/index.js';

/** A row whose columns are texts, of which the database keeps no blanks at the ends. */
export interface Item extends Row {
  id: string;
  version: number;
  a: string;
  b: string;
  c: string;
}

interface Sent {
  updates: Partial<Item>;
  version: number | undefined;
  answer(ack: Written | WalcastError): void;
}

/**
 * A database of one row, somebody else who writes it, and the way between them and us, on which everything comes when the test
 * lets it: a model of what a room promises, down to acks that come before or after the events of others.
 */
export class World {
  row: Item = { id: '1', version: 1, a: 'a', b: 'b', c: 'c' };
  state: Snapshot<Item | null> = { data: this.row, fresh: true };
  /** Told for each write that was carried out: what it met, and what it was. */
  onWritten: (before: Item, updates: Partial<Item>) => void = () => {};
  #sent: Sent[] = [];
  #events: { version: number; updates: Partial<Item> }[] = [];
  #acks: (() => void)[] = [];
  #watchers = new Set<() => void>();

  /** As much of a handle as editor and view use. */
  readonly handle: ComponentHandle<Item> = Object.defineProperty({
    id: '1',
    watch: (callback: () => void) => {
      this.#watchers.add(callback);
      return () => this.#watchers.delete(callback);
    },
    update: (updates: Partial<Item>, { version }: { version?: number } = {}) =>
      new Promise<Written>((resolve, reject) => {
        const answer = (ack: Written | WalcastError) => (ack instanceof Error ? reject(ack) : resolve(ack));
        this.#sent.push({ updates, version, answer });
      }),
  } as any, 'state', { get: () => this.state });

  get isQuiet(): boolean {
    return !this.#sent.length && !this.#events.length && !this.#acks.length && this.state.fresh;
  }

  other(updates: Partial<Item>): void {
    this.#write(updates);
    const stored = Object.fromEntries(Object.keys(updates).map((column) => [column, this.row[column]]));
    this.#events.push({ version: this.row.version, updates: stored });
  }

  /** The server takes up our next write. */
  serve(isRefused: boolean): void {
    const write = this.#sent.shift();
    if (!write) return;
    const { updates, version, answer } = write;
    if (isRefused) {
      this.#acks.push(() => answer(new WalcastError({ code: 'forbidden', message: 'not you' })));
    } else if (version !== undefined && version !== this.row.version) {
      const named = Object.keys(updates).map((column) => [column, this.row[column]]);
      const current = { ...Object.fromEntries(named), version: this.row.version };
      this.#acks.push(() => answer(new WalcastError({ code: 'conflict', message: 'too late', current })));
    } else {
      this.onWritten(this.row, updates);
      const kept = this.#write(updates);
      this.#acks.push(() => {
        this.#take(kept.version, { ...updates, ...kept });
        answer({ version: kept.version, updates: kept });
      });
    }
  }

  ack(): void {
    this.#acks.shift()?.();
  }

  event(): void {
    const event = this.#events.shift();
    if (event && event.version > this.state.data!.version) {
      this.#show({ ...this.state.data!, ...event.updates, version: event.version }, this.state.fresh);
    }
  }

  fetch(): void {
    if (!this.state.fresh) this.#show(this.row, true);
  }

  #write(updates: Partial<Item>): { version: number } & Partial<Item> {
    const stored = Object.fromEntries(Object.entries(updates).map(([column, text]) => [column, String(text).trim()]));
    const changed = Object.entries(stored).filter(([column, text]) => text !== updates[column]);
    this.row = { ...this.row, ...stored, version: this.row.version + 1 };
    return { ...Object.fromEntries(changed), version: this.row.version };
  }

  /** What is out of turn makes the room fetch. */
  #take(version: number, updates: Partial<Item>): void {
    const { data, fresh } = this.state;
    const isNext = version === data!.version + 1;
    if (version > data!.version) this.#show({ ...data!, ...updates, version }, fresh && isNext);
    else if (version < data!.version) this.#show(data!, false);
  }

  #show(data: Item, fresh: boolean): void {
    this.state = { data, fresh };
    for (const watcher of this.#watchers) watcher();
  }
}
