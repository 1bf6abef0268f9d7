import type { Id, Row, TableChange } from '../index.js';

interface Told {
  schema: string;
  table: string;
  commit_timestamp: string;
  errors: null;
}

/** A row's key, whatever its column is called; of an UPDATE the one before, where it changed. */
interface Key {
  id: Id;
}

type Nothing = Record<string, never>;

/** What a listener of `postgres_changes` is given. */
export type PostgresChange<T extends Row = Row> =
  | (Told & { eventType: 'INSERT'; new: T; old: Nothing })
  | (Told & { eventType: 'UPDATE'; new: T; old: Key })
  | (Told & { eventType: 'DELETE'; new: Nothing; old: Key });

/** `undefined`: of a row that leaves a filter Supabase tells nothing. */
export function payloadOf<T extends Row>(change: TableChange<T>): PostgresChange<T> | undefined {
  const { schema, table, timestamp, event, record, id, previousId = id } = change;
  const told: Told = { schema, table, commit_timestamp: timestamp, errors: null };
  if (event === 'delete') return { ...told, eventType: 'DELETE', new: {}, old: { id } };
  if (event === 'leave' || !record) return undefined;
  if (event === 'insert') return { ...told, eventType: 'INSERT', new: record, old: {} };
  return { ...told, eventType: 'UPDATE', new: record, old: { id: previousId } };
}
