import type { ChangeEvent, ComponentRow, NestedComponent, Row } from './types.js';

const is = (id: unknown) => (item: { id: unknown }) => String(item.id) === String(id);

/** A component with the nested components of one of its rows changed. */
function inRow<T extends Row>(component: T, rowId: unknown, change: (nested: NestedComponent[]) => NestedComponent[]): T {
  const rows = component['rows'] as ComponentRow[] | undefined;
  if (!Array.isArray(rows) || !rows.some(is(rowId))) return component;
  const changed = rows.map((row) => (is(rowId)(row) ? { ...row, components: change(row.components ?? []) } : row));
  return { ...component, rows: changed };
}

function merge(nested: NestedComponent, updates: Record<string, unknown>): NestedComponent {
  const merged = { ...nested, ...updates };
  for (const key in updates) if (updates[key] === null) delete merged[key];
  return merged;
}

/**
 * A component after an event; `null` is one that is not there. Nothing that is given is changed, and what an event does
 * not concern is returned as it is.
 *
 * An event of a version below the component's is contained in it already: where a column counts the writes of a row, as
 * `walcast.keep_version` sees to, that is certain.
 */
export function applyEvent<T extends Row>(component: T | null, event: ChangeEvent<T>): T | null {
  if (event.type === 'created') return event.component;
  if (!component) return null;
  if (event.version! < component.version!) return component;
  if (event.type === 'deleted') return null;
  if (event.type === 'updated') return { ...component, ...event.updates };

  const without = (list: NestedComponent[], id: unknown) => list.filter((item) => !is(id)(item));
  return inRow(component, event.rowId, (list) => {
    if (event.type === 'nested-created') return [...without(list, event.nestedComponent.id), event.nestedComponent];
    if (event.type === 'nested-deleted') return without(list, event.nestedComponentId);
    return list.map((item) => (is(event.nestedComponentId)(item) ? merge(item, event.updates) : item));
  });
}

/** A list of components after an event: one that is created comes last, in its place if it is there. */
export function applyToList<T extends Row>(list: T[], event: ChangeEvent<T>, idOf = (row: T) => String(row.id)): T[] {
  const at = list.findIndex((row) => idOf(row) === event.componentId);
  const before = list[at] ?? null;
  const after = applyEvent(before, event);
  if (after === before) return list;
  if (!before) return [...list, after!];
  return after ? list.map((row, place) => (place === at ? after : row)) : list.filter((_, place) => place !== at);
}
