import { expect, test } from 'vitest';
import { WalcastError } from '../src/index.js';
import { comparable, Stage } from './support/stage.js';
import { until } from './support/until.js';

test('writes answer with what the database made of them, and the replica holds it', async () => {
  const stage = await Stage.set();
  const client = stage.client();
  const page = client.entity('page', 1);
  page.watch(() => {});
  await until('it holds the page', () => page.state.fresh);
  const { componentId, version } = await page.create({ type: 'text', name: 'new', rows: [{ id: 'r', components: [] }] });
  expect(version).toBe(1);
  await until('it is told', () => page.state.data!.length === 1);
  const one = client.component(componentId);
  expect(await one.update({ name: 'other' }, { version: 1 })).toMatchObject({ version: 2, updates: { version: 2 } });
  expect(page.state.data![0]).toMatchObject({ name: 'other', version: 2, updated_by: 'ann' });
  const { nestedComponentId } = await one.nested('r').create({ text: 'a' });
  await one.nested('r').update(nestedComponentId, { text: 'b', colour: 'red' });
  await one.nested('r').update(nestedComponentId, { colour: null });
  await until('it holds the nested component', () => page.state.data![0]!.version === 5);
  expect(page.state.data![0]!.rows).toEqual([{ id: 'r', components: [{ id: nestedComponentId, text: 'b' }] }]);
  expect(comparable(page.state.data!)).toEqual(comparable(await stage.db.components()));
  await one.nested('r').delete(nestedComponentId);
  await one.delete({ version: 6 });
  await until('it is gone', () => page.state.data!.length === 0);
});

test('what is refused says why, in a type of its own', async () => {
  const stage = await Stage.set();
  const id = await stage.db.component('0');
  const client = stage.client();
  const refused = (asked: Promise<unknown>) => asked.then(() => expect.unreachable('it was written'), (error: unknown) => error);
  const conflict = await refused(client.component(id).update({ name: 'x' }, { version: 7 }));
  expect(conflict).toBeInstanceOf(WalcastError);
  expect(conflict).toMatchObject({ code: 'conflict', current: { version: 1, name: '0' }, written: false });
  expect(await refused(client.component(id).update({ id: 'x' } as object))).toMatchObject({ code: 'invalid_payload', written: false });
  expect(await refused(client.component('00000000-0000-4000-8000-000000000000').update({ name: 'x' }))).toMatchObject({ code: 'not_found' });
});

test('a write whose ack is lost is sent again, and carried out once', async () => {
  const stage = await Stage.set();
  const id = await stage.db.component('0');
  const client = stage.client();
  const one = client.component(id);
  one.watch(() => {});
  await until('it holds the row', () => one.state.fresh);
  stage.proxy.swallows = 'answers';
  const written = one.update({ name: 'once' });
  await until('it is written', async () => (await stage.db.components())[0]!['name'] === 'once');
  stage.proxy.swallows = 'none';
  stage.proxy.cut();
  expect(await written).toMatchObject({ version: 2 });
  expect((await stage.db.components())[0]).toMatchObject({ name: 'once', version: 2 });
  await until('the replica has settled', () => one.state.fresh && one.state.data!.version === 2);
  expect(one.state.data!.name).toBe('once');
});

test('who gets no answer is told what is known: nothing was sent, or nobody knows', async () => {
  const stage = await Stage.set();
  const id = await stage.db.component('0');
  const client = stage.client({ timeout: 300 });
  await until('it is live', () => client.status === 'live');
  stage.proxy.swallows = 'all';
  await expect(client.component(id).update({ name: 'x' })).rejects.toMatchObject({ code: 'timeout', written: 'unknown' });
  stage.proxy.swallows = 'none';
  stage.proxy.down = true;
  stage.proxy.cut();
  await until('it is offline', () => client.status === 'offline');
  await expect(client.component(id).update({ name: 'y' })).rejects.toMatchObject({ code: 'disconnected', written: false });
  const last = client.component(id).update({ name: 'z' });
  client.close();
  await expect(last).rejects.toMatchObject({ code: 'disconnected', written: false });
  expect((await stage.db.components())[0]!['name']).toBe('0');
});

test('two who write to one row at once, and SQL beside them, hold in the end what the table holds', async () => {
  const stage = await Stage.set();
  const id = await stage.db.component('0', [{ id: 'r', components: [{ id: 'n', text: '' }] }]);
  const clients = [stage.client(), stage.client()];
  const handles = clients.map((client) => client.component(id));
  for (const handle of handles) handle.watch(() => {});
  for (const handle of handles) await until('it holds the row', () => handle.state.fresh);
  const writes: Promise<unknown>[] = [];
  for (let n = 0; n < 40; n++) {
    handles.forEach((handle, who) => {
      writes.push(handle.update({ name: `${who} ${n}`, data: { [`by${who}`]: n } }));
      writes.push(handle.nested('r').update('n', { [`by${who}`]: n }));
    });
    writes.push(stage.db.sql('UPDATE components SET type = $1', [`sql ${n}`]));
    if (n % 10 === 0) await Promise.all(writes);
  }
  await Promise.all(writes);
  const truth = comparable(await stage.db.components());
  for (const handle of handles) {
    await until('it is at the last version', () => handle.state.fresh && handle.state.data!.version === truth[0]!['version']);
    expect(comparable([handle.state.data!])).toEqual(truth);
  }
});
