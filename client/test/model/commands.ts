import fc from 'fast-check';
import type { World } from './world.js';

/** What may happen, as text that says it all, so that a run that fails can be read. */
export type Step =
  | { do: 'sql'; what: 'name' | 'data' | 'rows' | 'nested' | 'move' | 'delete' | 'insert' | 'both'; at: number; value: number }
  | { do: 'write'; who: number; what: 'update' | 'versioned' | 'nested-create' | 'nested-update' | 'nested-delete' | 'create' | 'delete'; at: number; value: number }
  | { do: 'cut' | 'refuse token' | 'restart' | 'kill' | 'block' | 'unblock' | 'quiet' }
  | { do: 'turn'; who: number }
  | { do: 'watch' | 'leave'; who: number; at: number };

const who = fc.nat(1);
const at = fc.nat(3);
const place = fc.nat(5);
const value = fc.nat(9);

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant('sql' as const), what: fc.constantFrom('name' as const, 'data' as const, 'rows' as const, 'nested' as const, 'move' as const, 'delete' as const, 'insert' as const, 'both' as const), at, value }) },
  { weight: 10, arbitrary: fc.record({ do: fc.constant('write' as const), who, what: fc.constantFrom('update' as const, 'versioned' as const, 'nested-create' as const, 'nested-update' as const, 'nested-delete' as const, 'create' as const, 'delete' as const), at, value }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('cut' as const, 'refuse token' as const, 'quiet' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('restart' as const, 'kill' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('block' as const, 'unblock' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('turn' as const), who }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('watch' as const, 'leave' as const), who, at: place }) },
);

export const steps = fc.array(step, { minLength: 15, maxLength: 40 });

const rowsOf = (value: number) => [{ id: 'r', components: Array.from({ length: value % 4 }, (_, n) => ({ id: `n${n}`, text: `${value}` })) }];

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
        await stage.db.sql(`BEGIN; UPDATE components SET name = 'first' WHERE id = '${id}'; UPDATE components SET name = 'both ${step.value}'; COMMIT`);
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
