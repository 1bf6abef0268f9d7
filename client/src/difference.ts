import type { ChangeEvent, Created, Row } from './types.js';

const same = (a: unknown, b: unknown) => a === b || JSON.stringify(a) === JSON.stringify(b);

/** The events that make one state of some rows into another, as far as the two tell. */
export function difference<T extends Row>(before: Map<string, T>, after: Map<string, T>): ChangeEvent<T>[] {
  const events: ChangeEvent<T>[] = [];
  for (const componentId of before.keys()) {
    if (!after.has(componentId)) events.push({ type: 'deleted', componentId, deletedBy: null });
  }
  for (const [componentId, row] of after) {
    const old = before.get(componentId);
    const version = row.version === undefined ? {} : { version: row.version };
    if (!old) {
      events.push({ type: 'created', componentId, component: row, createdBy: null, ...version } as Created<T>);
    } else {
      const updates = Object.fromEntries(Object.entries(row).filter(([column, value]) => !same(old[column], value)));
      if (Object.keys(updates).length) {
        events.push({ type: 'updated', componentId, updates: updates as Partial<T>, updatedBy: null, ...version });
      }
    }
  }
  return events;
}
