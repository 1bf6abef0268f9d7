import { expect, test } from 'vitest';
import { comparable, Stage } from '../support/stage.js';
import { until } from '../support/until.js';
import { Screen, useBrowser } from './screen.js';

useBrowser();

/** A component on two screens; on the first by two hooks besides. */
async function scene() {
  const stage = await Stage.set();
  const id = await stage.db.component('0');
  const [ann, bob] = [await Screen.open(stage, 'ann'), await Screen.open(stage, 'bob')];
  await ann.show(
    { key: 'it', kind: 'component', id },
    { key: 'also', kind: 'component', id },
    { key: 'all', kind: 'entity', type: 'page', id: '1' },
  );
  await bob.show({ key: 'it', kind: 'component', id });
  for (const key of ['it', 'also', 'all']) await ann.untilShown(key, 'is fresh', ({ fresh }) => fresh);
  await bob.untilShown('it', 'is fresh', ({ fresh }) => fresh);
  return { stage, id, ann, bob };
}

/** While somebody else holds the row, a write waits; what they have made of it then comes first. */
async function whileHeld<T>(stage: Stage, screen: Screen, sql: string, write: () => Promise<T>): Promise<T> {
  await stage.db.sql('BEGIN');
  await stage.db.sql(sql);
  const before = screen.said.length;
  const written = write();
  await until('the write is on its way', () => screen.said.slice(before).includes('component:update'));
  await stage.db.sql('COMMIT');
  return written;
}

test('an update is shown at once by every hook, and neither its ack nor anything else makes it flicker', async () => {
  const { stage, ann, bob } = await scene();
  await stage.db.sql('BEGIN');
  await stage.db.sql('SELECT * FROM components FOR UPDATE');
  const written = ann.update('it', [{ name: 'mine' }]);
  for (const key of ['it', 'also']) {
    await ann.untilShown(key, 'shows it though it is not written', ({ data, pending }) => data.name === 'mine' && pending);
  }
  await ann.untilShown('all', 'shows it too', ({ data, pending }) => data[0].name === 'mine' && pending);
  await stage.db.sql('COMMIT');
  expect(await written).toEqual({ version: 2 });
  await bob.untilShown('it', 'shows it', ({ data }) => data.name === 'mine');
  for (const key of ['it', 'also', 'all']) {
    await ann.untilShown(key, 'is settled', ({ pending, fresh, data }) => !pending && fresh && [data].flat()[0].version === 2);
    expect(await ann.course(key, 'name')).toEqual(['0', 'mine']);
  }
});

test('who types fast sees what was typed, and never a step back', async () => {
  const { stage, id, ann } = await scene();
  const typed = Array.from({ length: 20 }, (_, n) => `0${'.'.repeat(n + 1)}`);
  await Promise.all(typed.map((name, n) => (n % 2 ? ann.update('all', [id, { name }]) : ann.update('it', [{ name }]))));
  await ann.untilShown('it', 'is settled', ({ data, pending, fresh }) => data.version === 21 && !pending && fresh);
  expect(await ann.course('it', 'name')).toEqual(['0', ...typed]);
  expect(await stage.db.components()).toMatchObject([{ name: typed.at(-1), version: 21 }]);
});

test('who types into the middle of a text keeps the caret there, whatever else happens to the row', async () => {
  const { stage, id, ann } = await scene();
  await ann.show({ key: 'it', kind: 'component', id }, { key: 'input', kind: 'input', id });
  await ann.page.locator('input').focus();
  await ann.page.keyboard.press('Home');
  for (const letter of 'typed ') {
    await ann.page.keyboard.type(letter);
    await stage.db.sql("UPDATE components SET type = type || '.'");
  }
  await ann.untilShown('it', 'is settled', ({ data, pending, fresh }) => data.version === 13 && !pending && fresh);
  expect(await ann.page.locator('input').inputValue()).toBe('typed 0');
  expect(await stage.db.components()).toMatchObject([{ name: 'typed 0', type: 'text......' }]);
});

test('an update that is answered too late is taken back, and shown when it turns out to be written', async () => {
  const stage = await Stage.set();
  const id = await stage.db.component('0');
  const screen = await Screen.open(stage, 'ann', { timeout: 1_000 });
  await screen.show({ key: 'it', kind: 'component', id });
  await screen.untilShown('it', 'is fresh', ({ fresh }) => fresh);
  await stage.db.sql('BEGIN');
  await stage.db.sql('SELECT * FROM components FOR UPDATE');
  expect(await screen.update('it', [{ name: 'mine' }])).toMatchObject({ code: 'timeout' });
  await screen.untilShown('it', 'is as it was', ({ data, pending }) => data.name === '0' && !pending);
  await stage.db.sql('COMMIT');
  await screen.untilShown('it', 'is written', ({ data }) => data.name === 'mine' && data.version === 2);
});

test('a refused update is rolled back, and its promise says why', async () => {
  const { ann } = await scene();
  expect(await ann.update('it', [{ id: 'another' }])).toMatchObject({ code: 'invalid_payload' });
  await ann.untilShown('it', 'is as it was', ({ data, pending }) => data.version === 1 && data.id !== 'another' && !pending);
});

test('an update is rebased on what others commit meanwhile, and is kept with it', async () => {
  const { stage, ann } = await scene();
  await whileHeld(stage, ann, `UPDATE components SET data = '{"by": "them"}'`, () => ann.update('it', [{ name: 'mine' }]));
  const { data } = await ann.untilShown('it', 'holds both', ({ data, pending, fresh }) => data.version === 3 && !pending && fresh);
  expect(data).toMatchObject({ name: 'mine', data: { by: 'them' } });
  expect(await ann.course('it', 'name')).toEqual(['0', 'mine']);
  expect(comparable([data])).toEqual(comparable(await stage.db.components()));
});

test('somebody else who sets other columns is no conflict, whoever is asked about those', async () => {
  const { stage, ann } = await scene();
  const outcome = await whileHeld(stage, ann, `UPDATE components SET data = '{"by": "them"}'`, () => ann.update('it', [{ name: 'mine' }], 'theirs'));
  expect(outcome).toEqual({ version: 3 });
  expect(await ann.page.evaluate(() => walcast.conflicts)).toEqual([]);
  expect(await stage.db.components()).toMatchObject([{ name: 'mine', data: { by: 'them' } }]);
});

test.each([
  ['mine', { name: 'mine', version: 3 }, ['0', 'mine']],
  ['theirs', { name: 'theirs', version: 2 }, ['0', 'mine', 'theirs']],
  [{ name: 'both' }, { name: 'both', version: 3 }, ['0', 'mine', 'both']],
])('in a conflict %j is what is written, and nothing else is shown on the way', async (choice, row, course) => {
  const { stage, ann, bob } = await scene();
  const outcome = await whileHeld(stage, ann, "UPDATE components SET name = 'theirs'", () => ann.update('it', [{ name: 'mine' }], choice));
  expect(outcome).toEqual({ version: row.version });
  expect(await ann.page.evaluate(() => walcast.conflicts)).toEqual([
    { mine: { name: 'mine' }, theirs: { name: 'theirs' }, base: { name: '0' }, version: 2 },
  ]);
  for (const screen of [ann, bob]) {
    await screen.untilShown('it', 'shows the end of it', ({ data, pending, fresh }) => data.version === row.version && !pending && fresh);
  }
  expect(await ann.course('it', 'name')).toEqual(course);
  expect(await stage.db.components()).toMatchObject([row]);
});

test('two who write at once, and SQL beside them, see in the end what the database holds', async () => {
  const { stage, ann, bob } = await scene();
  const writes: Promise<unknown>[] = [];
  for (let n = 0; n < 15; n++) {
    writes.push(ann.update('it', [{ name: `ann ${n}` }], n % 3 ? undefined : 'mine'));
    writes.push(bob.update('it', [{ name: `bob ${n}`, data: { bob: n } }], n % 2 ? undefined : 'theirs'));
    writes.push(stage.db.sql('UPDATE components SET type = $1', [`sql ${n}`]));
    if (n % 5 === 4) stage.proxy.cut();
  }
  await Promise.all(writes);
  const [row] = comparable(await stage.db.components());
  for (const [screen, key] of [[ann, 'it'], [ann, 'also'], [ann, 'all'], [bob, 'it']] as const) {
    const { data } = await screen.untilShown(key, 'is settled', ({ data, pending, fresh }) => {
      return fresh && !pending && [data].flat()[0].version === row!['version'];
    });
    expect(comparable([data].flat())).toEqual([row]);
  }
});
