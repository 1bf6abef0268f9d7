import fc from 'fast-check';
import { expect, test } from 'vitest';
import { carryOut, steps } from './model/commands.js';
import { World } from './model/world.js';

const seed = Number(process.env['SEED'] ?? 1);
const numRuns = Number(process.env['RUNS'] ?? 6);

test(`whatever happens, every replica holds in the end what the table holds (SEED=${seed})`, async () => {
  await fc.assert(fc.asyncProperty(steps, async (given) => {
    const world = await World.begin();
    for (const step of given) await carryOut(world, step);
    await world.settle();
    expect(world.problems).toEqual([]);
  }), { seed, numRuns, endOnFailure: true });
}, 170_000);
