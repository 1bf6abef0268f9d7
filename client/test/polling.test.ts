import { expect, test } from 'vitest';
import { Page } from './support/page.js';
import { comparable, Stage } from './support/stage.js';
import { until } from './support/until.js';

test('where no socket can be had it polls, tells differences as events, and goes back by itself', async () => {
  const stage = await Stage.set();
  const id = await stage.db.component('0', [{ id: 'r', components: [] }]);
  stage.proxy.blocked = '/socket.io';
  const client = stage.client();
  const statuses: string[] = [];
  client.onStatus((status) => statuses.push(status));
  const page = client.entity('page', 1);
  const heard: string[] = [];
  page.on('changed', (event) => heard.push(event.type === 'updated' ? `updated ${event.updates.name}` : event.type));
  await until('it polls', () => client.status === 'polling' && page.state.fresh);
  await stage.db.sql("UPDATE components SET name = 'polled'");
  await until('it finds out', () => heard.includes('updated polled'));
  const added = await stage.db.component('added');
  await until('it finds out', () => heard.includes('created'));
  await stage.db.sql('DELETE FROM components WHERE id = $1', [added]);
  await until('it finds out', () => heard.includes('deleted'));
  expect(heard).toEqual(['updated polled', 'created', 'deleted']);
  expect(comparable(page.state.data!)).toEqual(comparable(await stage.db.components()));

  stage.proxy.blocked = undefined;
  await until('it is live', () => client.status === 'live');
  expect(statuses).toEqual(['polling', 'live']);
  await stage.db.sql('UPDATE components SET name = $1 WHERE id = $2', ['live', id]);
  await until('it hears', () => heard.at(-1) === 'updated live');
  expect(page.state.data![0]!.name).toBe('live');
});

test('a live client that is blocked polls, and misses nothing on either way', async () => {
  const stage = await Stage.set();
  await stage.db.component('0');
  const client = stage.client();
  const page = client.entity('page', 1);
  const heard: unknown[] = [];
  const resyncs: unknown[] = [];
  page.on('updated', ({ updates }) => heard.push(updates.name));
  page.on('resync', (event) => resyncs.push(event));
  await until('it holds the page', () => page.state.fresh);
  stage.proxy.blocked = '/socket.io';
  stage.proxy.cut();
  await stage.db.sql("UPDATE components SET name = 'while it is cut off'");
  await until('it polls', () => client.status === 'polling');
  await until('it finds out', () => heard.length === 1);
  stage.proxy.blocked = undefined;
  stage.proxy.cut();
  await stage.db.sql("UPDATE components SET name = 'on the way back'");
  await until('it is live', () => client.status === 'live');
  await until('it hears', () => heard.at(-1) === 'on the way back');
  expect(page.state.data![0]!.name).toBe('on the way back');
  expect(resyncs).toEqual([]);
});

test('of rooms that were polled in two histories none goes on in that of another', async () => {
  const stage = await Stage.set();
  const one = await stage.db.component('one', [], '1');
  const other = await stage.db.component('other', [], '2');
  stage.proxy.blocked = '/socket.io';
  let isOver = false;
  const client = stage.client({
    fetch: async (...request) => {
      const isOf = (text: string) => String(request[0]).includes(text);
      if (isOf('entityId=1') && isOver && client.status !== 'live') {
        // The first of a new round is not answered again: what it has is of the history before.
        await until('it is live', () => client.status === 'live');
      } else if (isOf('entityId=2') && !isOver) {
        await stage.restart('SIGTERM', async () => {
          await stage.db.sql('SELECT pg_drop_replication_slot($1)', [stage.db.name]);
          await stage.db.sql("UPDATE components SET name = 'missed' WHERE id = $1", [one]);
        });
        isOver = true;
      }
      return fetch(...request);
    },
  });
  const [page, next] = [client.entity('page', 1), client.entity('page', 2)];
  const reasons: Record<string, string[]> = { [one]: [], [other]: [] };
  page.watch(() => {});
  client.component(one).on('resync', ({ reason }) => reasons[one]!.push(reason));
  next.watch(() => {});
  client.component(other).on('resync', ({ reason }) => reasons[other]!.push(reason));
  await until('all were polled', () => page.state.fresh && next.state.fresh && reasons[other]!.length === 1);
  expect([isOver, page.state.data![0]!.name]).toEqual([true, 'one']);
  stage.proxy.blocked = undefined;
  await until('it is live', () => client.status === 'live');
  await until('it holds what it has missed', () => page.state.data?.[0]?.name === 'missed');
  await until('who only listens is told', () => [one, other].every((each) => reasons[each]!.length === 2));
  expect(reasons).toEqual({ [one]: ['polling', 'another history'], [other]: ['polling', 'history gap'] });
  await stage.db.sql("UPDATE components SET name = 'heard'");
  await until('it hears on', () => [page, next].every(({ state }) => state.data?.[0]?.name === 'heard'));
  expect([page, next].map(({ state }) => state.data![0]!.id)).toEqual([one, other]);
});

test('what was polled is not told again by the socket, though the answer said that it holds less', async () => {
  const stage = await Stage.set();
  const nested = (text: string) => [{ id: 'r', components: [{ id: 'n', text }] }];
  const id = await stage.db.component('0', nested('0'));
  const [gone, back] = [await stage.db.component('gone'), await stage.db.component('back')];
  // The server may say less than an answer holds: it has read the log up to there when it asked for the rows.
  let first: string | null = null;
  const client = stage.client({
    fetch: async (...request) => {
      const { status, headers, body } = await fetch(...request);
      const told = new Headers(headers);
      if (client.status === 'polling') told.set('Walcast-Offset', (first ??= headers.get('Walcast-Offset'))!);
      return new Response(status === 304 ? null : body, { status, headers: told });
    },
  });
  const page = client.entity('page', 1);
  const heard: string[] = [];
  page.on('changed', (event) => heard.push(`${event.type} ${'updates' in event ? Object.keys(event.updates).sort() : event.componentId}`));
  await until('it holds the page', () => page.state.fresh);
  stage.proxy.blocked = '/socket.io';
  stage.proxy.cut();
  await until('it polls', () => first);
  await stage.db.sql("UPDATE components SET name = '1' WHERE id = $1", [id]);
  await stage.db.sql('UPDATE components SET rows = $2 WHERE id = $1', [id, JSON.stringify(nested('1'))]);
  await stage.db.sql('DELETE FROM components WHERE id = $1 OR id = $2', [gone, back]);
  const made = await stage.db.component('made');
  await until('it has polled all of it', async () => page.state.data!.length === 2 && page.state.data!.some(({ version }) => version === 3));
  await until('it was told', () => heard.includes(`created ${made}`));
  const polled = heard.splice(0);
  expect(polled).toEqual(expect.arrayContaining([`deleted ${gone}`, `deleted ${back}`]));
  stage.proxy.blocked = undefined;
  await until('it is live', () => client.status === 'live');
  await stage.db.sql("INSERT INTO components (id, entity_type, entity_id, type, name) VALUES ($1, 'page', '1', 'text', 'again')", [back]);
  await stage.db.sql('UPDATE components SET rows = $2 WHERE id = $1', [id, JSON.stringify(nested('2'))]);
  await stage.db.sql("UPDATE components SET name = 'last' WHERE id = $1", [made]);
  await stage.db.sql('DELETE FROM components WHERE id = $1', [made]);
  await until('it hears the last', () => heard.at(-1) === `deleted ${made}`);
  expect(heard).toEqual([`created ${back}`, 'updated updated_at,version', 'nested-updated text', 'updated name,updated_at,version', `deleted ${made}`]);
  expect(comparable(page.state.data!)).toEqual(comparable(await stage.db.components()));
});

test('who listens to one row and has fetched it by their own account is told resync by the first poll', async () => {
  const stage = await Stage.set();
  const id = await stage.db.component('0');
  const client = stage.client();
  const heard: unknown[] = [];
  client.component(id).on('updated', ({ updates }) => heard.push(updates.name));
  client.component(id).on('resync', ({ reason }) => heard.push(reason));
  await until('it is live', () => client.status === 'live');
  stage.proxy.blocked = '/socket.io';
  stage.proxy.cut();
  await until('it is told', () => heard.length === 1);
  await stage.db.sql("UPDATE components SET name = 'polled'");
  await until('it finds out', () => heard.length === 2);
  expect(heard).toEqual(['polling', 'polled']);
});

test('polls say what they have, are answered 304, and stop while nobody looks', async () => {
  const stage = await Stage.set();
  await stage.db.component('0');
  stage.proxy.blocked = '/socket.io';
  const page = new Page();
  const answers: number[] = [];
  const client = stage.client({
    visibility: page,
    fetch: async (...request) => {
      const response = await fetch(...request);
      answers.push(response.status);
      return response;
    },
  });
  client.entity('page', 1).watch(() => {});
  await until('it has polled', () => answers.length >= 4);
  expect(answers[0]).toBe(200);
  expect(new Set(answers.slice(1))).toEqual(new Set([304]));
  page.turn(true);
  await stage.db.sql("UPDATE components SET name = 'unseen'");
  // One that was under way may still come.
  const before = answers.length;
  await until('sockets were tried meanwhile', () => {
    const tried = stage.proxy.requests.filter((line) => line.includes('/socket.io')).length;
    return tried > 0 && answers.length <= before + 1 && tried >= 6;
  });
  page.turn(false);
  await until('it looks again', () => client.entity('page', 1).state.data?.[0]?.name === 'unseen');
});

test('a server that says when to come again is asked no sooner, and one that is away is offline', async () => {
  const stage = await Stage.set();
  await stage.db.component('0');
  stage.proxy.blocked = '/socket.io';
  const asked: number[] = [];
  let isBusy = true;
  const client = stage.client({
    fetch: async (...request) => {
      asked.push(Date.now());
      const error = { ok: false, error: { code: 'unavailable', message: 'busy' } };
      return isBusy ? Response.json(error, { status: 503, headers: { 'Retry-After': '1' } }) : fetch(...request);
    },
  });
  client.entity('page', 1).watch(() => {});
  await until('it has asked once', () => asked.length === 1);
  isBusy = false;
  await until('it has asked again', () => asked.length === 2);
  expect(asked[1]! - asked[0]!).toBeGreaterThanOrEqual(990);
  await until('it polls', () => client.status === 'polling');
  stage.proxy.blocked = '/';
  stage.proxy.cut();
  await until('it is offline', () => client.status === 'offline');
});
