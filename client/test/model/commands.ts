import fc from 'fast-check';
import type { World } from './world.js';

const SQL = ['name', 'data', 'rows', 'nested', 'move', 'delete', 'insert', 'both'] as const;
const WRITES = ['update', 'versioned', 'nested-create', 'nested-update', 'nested-delete', 'create', 'delete'] as const;

/** What may happen, as data that says it all, so that a run that fails can be read. */
export type Step =
  | { do: 'sql'; what: (typeof SQL)[number]; at: number; value: number }
  | { do: 'write'; who: number; what: (typeof WRITES)[number]; at: number; value: number }
  | { do: 'cut' | 'refuse token' | 'restart' | 'kill' | 'block' | 'unblock' | 'quiet' }
  | { do: 'turn'; who: number }
  | { do: 'watch' | 'leave'; who: number; at: number };

const one = <T extends string>(...names: readonly T[]) => fc.constantFrom(...names);
const who = fc.nat(1);
const at = fc.nat(3);
const place = fc.nat(5);
const value = fc.nat(9);

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: one('sql'), what: one(...SQL), at, value }) },
  { weight: 10, arbitrary: fc.record({ do: one('write'), who, what: one(...WRITES), at, value }) },
  { weight: 3, arbitrary: fc.record({ do: one('cut', 'refuse token', 'quiet') }) },
  { weight: 1, arbitrary: fc.record({ do: one('restart', 'kill') }) },
  { weight: 2, arbitrary: fc.record({ do: one('block', 'unblock') }) },
  { weight: 2, arbitrary: fc.record({ do: one('turn'), who }) },
  { weight: 3, arbitrary: fc.record({ do: one('watch', 'leave'), who, at: place }) },
);

export const steps = fc.array(step, { minLength: 15, maxLength: 40 });

const rowsOf = (value: number) => [{ id: 'r', components: [0, 1, 2].slice(0, value % 4).map((n) => ({ id: `n${n}`, text: `${value}` })) }];

/** Carries a step out. Writes of clients are not waited for, since they may have to wait for a connection. */
export async function carryOut(world: World, step: Step): Promise<void> {
  const { stage } = world;
  switch (step.do) {
    case 'sql': {
      const id = world.id(step.at);
      const write = (set: string, ...values: unknown[]) => stage.db.sql(`UPDATE components SET ${set} WHERE id = $1`, [id, ...values]);
      if (step.what === 'name') await write('name = $2', `sql ${step.value}`);
      if (step.what === 'data') await write('data = $2', { sql: step.value });
      if (step.what === 'rows') await write('rows = $2', JSON.stringify(rowsOf(step.value)));
      if (step.what === 'nested') await write("rows = jsonb_set(rows, '{0,components,0,text}', $2)", JSON.stringify(`sql ${step.value}`));
      if (step.what === 'move') await write('entity_id = $2', String(1 + (step.value % 2)));
      if (step.what === 'delete') await stage.db.sql('DELETE FROM components WHERE id = $1', [id]);
      if (step.what === 'insert') await world.insert(step.at, rowsOf(step.value));
      if (step.what === 'both') {
        const first = `UPDATE components SET name = 'first' WHERE id = '${id}'`;
        await stage.db.sql(`BEGIN; ${first}; UPDATE components SET name = 'both ${step.value}'; COMMIT`);
      }
      return;
    }
    case 'write':
      return world.write(step.who, step.what, step.at, step.value);
    case 'cut':
      return stage.proxy.cut();
    case 'refuse token':
      world.refusals += 1;
      return stage.proxy.cut();
    case 'restart':
      return stage.restart('SIGTERM');
    case 'kill':
      return stage.restart('SIGKILL');
    case 'block':
      stage.proxy.blocked = '/socket.io';
      return stage.proxy.cut();
    case 'unblock':
      stage.proxy.blocked = undefined;
      return;
    case 'turn':
      return world.turn(step.who);
    case 'watch':
      return world.watch(step.who, step.at);
    case 'leave':
      return world.leave(step.who, step.at);
    case 'quiet':
      return world.settle();
  }
}
