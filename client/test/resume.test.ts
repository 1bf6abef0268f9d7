import { expect, test } from 'vitest';
import type { Updated } from '../src/index.js';
import { comparable, Stage } from './support/stage.js';
import { token } from './support/token.js';
import { until } from './support/until.js';

const names = (events: Updated[]) => events.map(({ updates }) => updates.name);

test('a cut loses nothing and repeats nothing, and each connection asks for a token', async () => {
  const stage = await Stage.set();
  const id = await stage.db.component('0');
  let asked = 0;
  const client = stage.client({ token: () => token('ann', { asked: ++asked }) });
  const events: Updated[] = [];
  const resyncs: unknown[] = [];
  client.component(id).on('updated', (event) => events.push(event));
  client.component(id).on('resync', (event) => resyncs.push(event));
  const state = client.component(id);
  state.watch(() => {});
  await until('it holds the row', () => state.state.fresh);
  for (let round = 1; round <= 3; round++) {
    await stage.db.sql('UPDATE components SET name = $1', [`${round} before`]);
    stage.proxy.cut();
    await stage.db.sql('UPDATE components SET name = $1', [`${round} during`]);
    await until('it hears what it missed', () => names(events).includes(`${round} during`));
    expect(asked).toBe(round + 1);
  }
  expect(names(events)).toEqual(['1 before', '1 during', '2 before', '2 during', '3 before', '3 during']);
  expect(resyncs).toEqual([]);
  expect(state.state.data?.name).toBe('3 during');
  expect(client.errors).toEqual([]);
});

for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
  test(`a server that is restarted after ${signal} goes on where it was`, async () => {
    const stage = await Stage.set();
    const id = await stage.db.component('0');
    const client = stage.client();
    const page = client.entity('page', 1);
    const events: Updated[] = [];
    page.on('updated', (event) => events.push(event));
    await until('it holds the page', () => page.state.fresh);
    await stage.db.sql("UPDATE components SET name = 'before'");
    await until('it hears', () => events.length === 1);
    await stage.restart(signal, () => stage.db.sql("UPDATE components SET name = 'while it is down'"));
    await until('it hears what it missed', () => events.length === 2);
    await stage.db.sql("UPDATE components SET name = 'after'");
    await until('it hears', () => events.length === 3);
    expect(names(events)).toEqual(['before', 'while it is down', 'after']);
    expect(page.state.data?.map((row) => [row.id, row.name])).toEqual([[id, 'after']]);
  });
}

test('another history is told by resync, and the rows are held again', async () => {
  const stage = await Stage.set();
  await stage.db.component('0');
  const client = stage.client();
  const page = client.entity('page', 1);
  const reasons: string[] = [];
  page.on('resync', ({ reason }) => reasons.push(reason));
  page.watch(() => {});
  await until('it holds the page', () => page.state.fresh);
  stage.proxy.down = true;
  stage.proxy.cut();
  await stage.restart('SIGTERM', async () => {
    await stage.db.sql("UPDATE components SET name = 'missed'");
    await stage.db.sql('SELECT pg_drop_replication_slot($1)', [stage.db.name]);
    await stage.db.component('new');
  });
  stage.proxy.down = false;
  await until('it is told', () => reasons.length > 0);
  await until('it has fetched', () => page.state.fresh && page.state.data?.length === 2);
  expect(comparable(page.state.data!)).toEqual(comparable(await stage.db.components()));
  const heard: unknown[] = [];
  page.on('changed', (event) => heard.push(event));
  await stage.db.sql("UPDATE components SET name = 'again'");
  await until('it hears on', () => heard.length === 2);
});

test('rooms that are joined while the connection is lost are joined when it is back', async () => {
  const stage = await Stage.set();
  const id = await stage.db.component('one');
  const other = await stage.db.component('other', [], '2');
  const client = stage.client();
  client.component(id).watch(() => {});
  await until('it holds the row', () => client.component(id).state.fresh);
  stage.proxy.down = true;
  stage.proxy.cut();
  await until('it is cut off', () => client.status === 'offline');
  client.component(other).watch(() => {});
  stage.proxy.down = false;
  await until('it holds both', () => client.component(other).state.data?.name === 'other');
  await stage.db.sql("UPDATE components SET name = 'changed'");
  await until('it follows both', () => [id, other].every((each) => client.component(each).state.data?.name === 'changed'));
});

test('a WebSocket that is closed before its handshake is done is a failure like any other, after which it tries again', async () => {
  const stage = await Stage.set();
  stage.proxy.hangsUp = true;
  const client = stage.client({ failuresBeforePolling: 4, autoConnect: false });
  const sockets = () => stage.proxy.requests.filter((line) => line.includes('transport=websocket')).length;
  client.entity('page', 1).watch(() => {});
  client.connect();
  await until('it polls', () => client.status === 'polling');
  expect(sockets()).toBeGreaterThanOrEqual(4);
  stage.proxy.hangsUp = false;
  await until('it is live', () => client.status === 'live');
});
