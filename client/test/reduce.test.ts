import fc from 'fast-check';
import { expect, test } from 'vitest';
import { applyEvent, applyToList } from '../src/index.js';
import type { ChangeEvent, Component } from '../src/index.js';
import { difference } from '../src/difference.js';

const row = { id: 'r', components: [{ id: 'a', text: '1', colour: 'red' }, { id: 2, text: '2' }] };
const component = { id: 'c', name: 'one', version: 3, rows: [row, { id: 'empty' }] } as unknown as Component;
const told = { componentId: 'c', version: 4 };
const event = (given: object) => ({ ...told, ...given }) as ChangeEvent;

test('each event sets what it names', () => {
  expect(applyEvent(null, event({ type: 'created', component }))).toBe(component);
  expect(applyEvent(component, event({ type: 'updated', updates: { name: 'two', version: 4 } }))).toEqual({ ...component, name: 'two', version: 4 });
  expect(applyEvent(component, event({ type: 'deleted' }))).toBeNull();
  expect(applyEvent(null, event({ type: 'updated', updates: { name: 'two' } }))).toBeNull();
  const rows = (after: Component | null) => after!.rows.map((each) => each.components);
  const add = event({ type: 'nested-created', rowId: 'empty', nestedComponent: { id: 'b' } });
  expect(rows(applyEvent(component, add))).toEqual([row.components, [{ id: 'b' }]]);
  const edit = event({ type: 'nested-updated', rowId: 'r', nestedComponentId: 'a', updates: { text: 'x', colour: null } });
  expect(rows(applyEvent(component, edit))).toEqual([[{ id: 'a', text: 'x' }, row.components[1]], undefined]);
  const remove = event({ type: 'nested-deleted', rowId: 'r', nestedComponentId: '2' });
  expect(rows(applyEvent(component, remove))).toEqual([[row.components[0]], undefined]);
});

test('nothing is changed in place, and what is not concerned is the same object', () => {
  const before = structuredClone(component);
  const elsewhere = event({ type: 'nested-deleted', rowId: 'none', nestedComponentId: 'a' });
  expect(applyEvent(component, elsewhere)).toBe(component);
  applyEvent(component, event({ type: 'nested-deleted', rowId: 'r', nestedComponentId: 'a' }));
  expect(component).toEqual(before);
  expect(applyToList([component], event({ type: 'updated', componentId: 'other', updates: {} }))).toEqual([component]);
});

test('what is contained already is passed over', () => {
  const old = event({ type: 'updated', version: 2, updates: { name: 'old' } });
  expect(applyEvent(component, old)).toBe(component);
});

const columns = fc.dictionary(fc.constantFrom('name', 'type', 'data'), fc.jsonValue(), { maxKeys: 3 });
const table = fc.dictionary(fc.constantFrom('a', 'b', 'c', 'd'), columns).map((rows) => (
  new Map(Object.entries(rows).map(([id, given]) => [id, { id, name: null, type: null, data: null, ...given } as any]))));

test('the difference of two tables, applied to the first, gives the second', () => {
  fc.assert(fc.property(table, table, (before, after) => {
    const events = difference(before, after);
    const result = events.reduce<any[]>((list, each) => applyToList(list, each), [...before.values()]);
    expect(new Map(result.map((each) => [each.id, each]))).toEqual(after);
    // Told again they change nothing.
    const again = events.filter(({ type }) => type !== 'deleted').reduce<any[]>((list, each) => applyToList(list, each), result);
    expect(again).toEqual(result);
  }), { seed: 8 });
});
