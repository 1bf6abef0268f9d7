import { applyEvent } from '../index.js';
import type { Row, Written } from '../index.js';

/**
 * Updates of ours that the confirmed row does not hold yet, as a list in the order in which they were made. What is shown is
 * the confirmed row with these applied, so whatever others commit meanwhile is below them: they are rebased by being kept apart.
 *
 *   waiting ──► sent ──► settled       settled: the database holds it, and is applied until the confirmed row does too
 *      ▲          │
 *      └──────────┘ conflict           else it is taken out of the list, which rolls it back
 */
export interface Draft<T extends Row = any> {
  readonly key: number;
  readonly updates: Partial<T>;
  /** Whether it may overwrite only what whoever made it had seen. */
  readonly isGuarded: boolean;
  /**
   * Of each column that it names: first what was shown when it was made, then what else it may meet without anybody else having
   * written: what lay beneath drafts that may be rolled back, and what becomes of them.
   */
  readonly seen: Readonly<Record<string, readonly unknown[]>>;
  /** Of the row that it was made upon; once it is settled, of the row that holds it. */
  readonly version: number | undefined;
  readonly state: 'waiting' | 'sent' | 'settled';
}

export type Drafts<T extends Row = any> = readonly Draft<T>[];

/** Who has set the same columns to something else, and what they were. */
export interface Conflict<T extends Row = Row> {
  mine: Partial<T>;
  theirs: Partial<T>;
  /** What `mine` was made upon. */
  base: Partial<T>;
  /** The version at which the row is now. */
  version: number;
}

/** The row as it is shown: what is confirmed, and our updates over it. `isFresh`: all that is known is in it. */
export function overlay<T extends Row>(row: T | null, isFresh: boolean, drafts: Drafts<T>): T | null {
  return drafts
    .filter((draft) => !isHeld(row, isFresh, draft))
    .reduce((held, { updates }) => applyEvent(held, { type: 'updated', componentId: '', updates, updatedBy: null }), row);
}

/** Whether a confirmed row has no need of a draft any more. An ack may be there before what others committed before it. */
export function isHeld(row: Row | null, isFresh: boolean, { state, version }: Draft): boolean {
  return state === 'settled' && isFresh && !(row && row.version! < version!);
}

export function added<T extends Row>(
  drafts: Drafts<T>, row: T | null, isFresh: boolean, draft: Pick<Draft<T>, 'key' | 'updates' | 'isGuarded'>,
): Drafts<T> {
  const shown = overlay(row, isFresh, drafts);
  const beneath = (column: string) => drafts.flatMap(({ updates, seen }) => (column in updates ? [updates[column], ...(seen[column] ?? [])] : []));
  const columns = row ? Object.keys(draft.updates) : [];
  const seen = Object.fromEntries(columns.map((column) => [column, [shown?.[column], row![column], ...beneath(column)]]));
  // A row that is not all that is known may be of a version and lack what others did before it: no version is its own.
  const version = row?.version === undefined || isFresh ? row?.version : 0;
  return [...drafts, { ...draft, seen, version, state: 'waiting' }];
}

/**
 * Those that may be sent. The server carries out what one socket sends in order, so most need not wait; but what a guarded one
 * meets is known only when all before it are settled, and until it is settled itself nothing may overtake it.
 */
export function sendable<T extends Row>(drafts: Drafts<T>): Drafts<T> {
  return drafts.filter((draft, at) => {
    const before = drafts.slice(0, at).filter(({ state }) => state !== 'settled');
    return draft.state === 'waiting' && !before.some(({ isGuarded }) => isGuarded || draft.isGuarded);
  });
}

export function sent<T extends Row>(drafts: Drafts<T>, key: number): Drafts<T> {
  return changed(drafts, key, { state: 'sent' });
}

/** The database holds it, perhaps in another form. */
export function written<T extends Row>(drafts: Drafts<T>, key: number, { version, updates = {} }: Written): Drafts<T> {
  const said = drafts.find((draft) => draft.key === key)!.updates;
  const after = changed(drafts, key, { updates: { ...said, ...pick(updates, said) }, version, state: 'settled' });
  // Those for which nobody came between meet what they were made upon.
  const isNext = (draft: Draft<T>) => draft.key > key && version !== undefined && draft.version === version - 1;
  return after.map((draft) => (isNext(draft) ? { ...draft, version } : draft));
}

export function without<T extends Row>(drafts: Drafts<T>, key: number): Drafts<T> {
  return drafts.filter((draft) => draft.key !== key);
}

/** What somebody else has made of what a draft sets; `undefined`: of that nothing, so that it can be written all the same. */
export function conflictOf<T extends Row>({ updates: mine, seen }: Draft<T>, current: Row): Conflict<T> | undefined {
  const columns = Object.keys(mine).filter((column) => column in seen);
  if (columns.every((column) => seen[column]!.some((value) => isSame(value, current[column])))) return undefined;
  const base = Object.fromEntries(columns.map((column) => [column, seen[column]![0]])) as Partial<T>;
  return { mine, theirs: pick(current, mine) as Partial<T>, base, version: current.version ?? 0 };
}

/** To be tried again, upon what the others made of the row. */
export function retried<T extends Row>(drafts: Drafts<T>, key: number, current: Row, updates: Partial<T>): Drafts<T> {
  const seen = Object.fromEntries(Object.entries(pick(current, updates)).map(([column, value]) => [column, [value]]));
  return changed(drafts, key, { updates, seen, version: current.version, state: 'waiting' });
}

/** The others' is taken; it is shown although the event that tells it may be still to come. */
export function yielded<T extends Row>(drafts: Drafts<T>, key: number, { theirs, version }: Conflict<T>): Drafts<T> {
  return changed(drafts, key, { updates: theirs, version, state: 'settled' });
}

/** Later ones may meet what becomes of it. */
function changed<T extends Row>(drafts: Drafts<T>, key: number, change: Partial<Draft<T>>): Drafts<T> {
  const updates: Record<string, unknown> = { ...change.updates };
  return drafts.map((draft) => {
    if (draft.key <= key) return draft.key === key ? { ...draft, ...change } : draft;
    const seen = Object.entries(draft.seen).map(([column, values]) => [column, column in updates ? [...values, updates[column]] : values]);
    return { ...draft, seen: Object.fromEntries(seen) };
  });
}

function pick(row: Row, columns: object): Row {
  return Object.fromEntries(Object.keys(columns).filter((column) => column in row).map((column) => [column, row[column]]));
}

/** `jsonb` keeps no order of members. */
function isSame(a: any, b: any): boolean {
  if (a === b || (a ?? b) == null) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || !a || !b || Array.isArray(a) !== Array.isArray(b)) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => key in b && isSame(a[key], b[key]));
}
