import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Editor } from '../../src/react/editor.js';
import type { Choice } from '../../src/react/editor.js';
import { one, View } from '../../src/react/view.js';
import { World } from './world.js';
import type { Item } from './world.js';

const text = fc.constantFrom('x', 'y', ' z ');
const columns = fc.dictionary(fc.constantFrom('a', 'b', 'c'), text, { minKeys: 1, maxKeys: 2 }) as fc.Arbitrary<Partial<Item>>;
const choice: fc.Arbitrary<Choice<Item>> = fc.oneof(fc.constant('mine' as const), fc.constant('theirs' as const), columns);

const action = fc.oneof(
  fc.record({ do: fc.constant('update' as const), updates: columns, guarded: fc.boolean(), choice }),
  fc.record({ do: fc.constant('other' as const), updates: columns }),
  fc.record({ do: fc.constant('serve' as const), refused: fc.integer({ min: 0, max: 5 }).map((n) => n === 0) }),
  fc.record({ do: fc.constantFrom('ack' as const, 'event' as const, 'fetch' as const, 'decide' as const) }),
);

const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

/** An editor at work in a world. */
class Desk {
  readonly world = new World();
  readonly editor = new Editor();
  readonly view = new View<Item, Item | null>(this.world.handle, this.editor, one);
  readonly outcomes: (string | undefined)[] = [];
  readonly #waiting: (() => void)[] = [];

  constructor() {
    this.view.subscribe(() => {});
    // What a guarded update meets is what it was made upon, or what whoever made it was asked about.
    this.world.onWritten = (before, updates) => {
      const draft = this.editor.draftsOf('1').find((draft) => draft.state === 'sent' && draft.updates === updates)!;
      if (draft.isGuarded) for (const column in draft.seen) expect(draft.seen[column]).toContain(before[column]);
    };
  }

  get shown(): Item {
    return this.view.snapshot().data!;
  }

  async take(step: typeof action extends fc.Arbitrary<infer A> ? A : never): Promise<void> {
    if (step.do === 'update') this.#update(step.updates, step.guarded ? step.choice : undefined);
    else if (step.do === 'other') this.world.other(step.updates);
    else if (step.do === 'serve') this.world.serve(step.refused);
    else if (step.do === 'decide') this.#waiting.shift()?.();
    else this.world[step.do]();
    await settle();
    this.#check();
  }

  async finish(): Promise<void> {
    while (!this.world.isQuiet || this.#waiting.length) {
      for (const act of ['serve', 'ack', 'event', 'fetch', 'decide'] as const) await this.take({ do: act, refused: false } as never);
    }
  }

  #update(updates: Partial<Item>, choice: Choice<Item> | undefined): void {
    const at = this.outcomes.push(undefined) - 1;
    const onConflict = () => new Promise<Choice<Item>>((resolve) => this.#waiting.push(() => resolve(choice!)));
    this.editor
      .update(this.world.handle, this.view, updates, choice === undefined ? {} : { onConflict })
      .then(() => 'written', (error) => error.code as string)
      .then((outcome) => (this.outcomes[at] = outcome));
    expect(this.shown).toMatchObject(updates);
  }

  /** What is shown is what is confirmed, with what is pending over it. */
  #check(): void {
    const { data, fresh } = this.world.state;
    const pending = this.editor.draftsOf('1').filter(({ state, version }) => state !== 'settled' || !fresh || data!.version < version!);
    expect(this.shown).toEqual(Object.assign({}, data, ...pending.map(({ updates }) => updates)));
  }
}

test('whatever comes in which order: shown is what is confirmed and what is pending, and in the end what the database holds', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(action, { minLength: 5, maxLength: 40 }), async (actions) => {
      const desk = new Desk();
      for (const step of actions) await desk.take(step);
      await desk.finish();
      expect(desk.shown).toEqual(desk.world.row);
      expect(desk.editor.draftsOf('1')).toEqual([]);
      expect(desk.outcomes.every((outcome) => outcome === 'written' || outcome === 'forbidden')).toBe(true);
    }),
    { seed: 8, numRuns: 1_000 },
  );
});

test('an update that others do not touch never changes what is shown of its columns, from the moment that it is made', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(action, { minLength: 5, maxLength: 40 }), async (actions) => {
      const desk = new Desk();
      await desk.take({ do: 'update', updates: { c: 'mine' }, guarded: false, choice: 'mine' });
      for (const step of actions) {
        if ('updates' in step && 'c' in step.updates) continue;
        if ('choice' in step && typeof step.choice === 'object' && 'c' in step.choice) continue;
        await desk.take(step.do === 'serve' ? { do: 'serve', refused: false } : step);
        expect(desk.shown.c).toBe('mine');
      }
    }),
    { seed: 9, numRuns: 200 },
  );
});

test('a refused update is rolled back to what others made of the row meanwhile, and its promise says why', async () => {
  const desk = new Desk();
  await desk.take({ do: 'update', updates: { a: 'mine' }, guarded: false, choice: 'mine' });
  await desk.take({ do: 'other', updates: { a: 'theirs', b: 'theirs' } });
  await desk.take({ do: 'event' });
  expect(desk.shown).toMatchObject({ a: 'mine', b: 'theirs' });
  await desk.take({ do: 'serve', refused: true });
  await desk.take({ do: 'ack' });
  expect(desk.shown).toEqual(desk.world.row);
  expect(desk.outcomes).toEqual(['forbidden']);
});

test('only somebody else who sets the same columns is a conflict', async () => {
  const desk = new Desk();
  // Were anybody asked, `theirs` would be the end of it.
  await desk.take({ do: 'update', updates: { a: 'mine' }, guarded: true, choice: 'theirs' });
  await desk.take({ do: 'update', updates: { a: 'mine too' }, guarded: true, choice: 'theirs' });
  await desk.take({ do: 'other', updates: { b: 'theirs' } });
  await desk.finish();
  expect(desk.world.row).toMatchObject({ a: 'mine too', b: 'theirs' });
});

test.each([
  ['mine', { a: 'mine', version: 3 }],
  ['theirs', { a: 'theirs', version: 2 }],
  [{ a: 'both', c: 'more' }, { a: 'both', c: 'more', version: 3 }],
] as const)('who is asked about a conflict may answer %j', async (choice, row) => {
  const desk = new Desk();
  await desk.take({ do: 'other', updates: { a: 'theirs' } });
  await desk.take({ do: 'update', updates: { a: 'mine' }, guarded: true, choice });
  await desk.take({ do: 'serve', refused: false });
  await desk.take({ do: 'ack' });
  // Until it is decided one's own is shown.
  expect(desk.shown.a).toBe('mine');
  await desk.take({ do: 'decide' });
  expect(desk.shown.a).toBe(row.a);
  await desk.finish();
  expect(desk.world.row).toMatchObject(row);
  expect(desk.outcomes).toEqual(['written']);
});

test('a conflict that whoever is asked about throws is a refusal', async () => {
  const { world, editor, view } = new Desk();
  world.other({ a: 'theirs' });
  const onConflict = () => {
    throw new Error('closed the dialog');
  };
  const written = editor.update(world.handle, view, { a: 'mine' }, { onConflict });
  world.serve(false);
  world.ack();
  await expect(written).rejects.toThrow('closed the dialog');
  expect(editor.draftsOf('1')).toEqual([]);
});
