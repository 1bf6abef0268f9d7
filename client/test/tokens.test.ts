import { expect, test } from 'vitest';
import { Stage } from './support/stage.js';
import { token } from './support/token.js';
import { until } from './support/until.js';

const inSeconds = (seconds: number) => Math.floor(Date.now() / 1_000) + seconds;

test('a token that is refused is told, and another asked for until one is taken', async () => {
  const stage = await Stage.set();
  const given = ['nonsense', token('ann', { exp: inSeconds(-60) }), ''];
  let asked = 0;
  const client = stage.client({ token: () => given[asked++] ?? token('ann') });
  await until('it is live', () => client.status === 'live');
  expect(asked).toBe(4);
  expect(client.errors.map(({ message }) => message)).toEqual([
    'Authentication error: Invalid token', 'Authentication error: Invalid token', 'Authentication error: No token provided',
  ]);
});

test('a token that cannot be had is told, and asked for again', async () => {
  const stage = await Stage.set();
  let asked = 0;
  const client = stage.client({
    token: async () => {
      if (++asked < 3) throw new Error(`no token ${asked}`);
      return token('ann');
    },
  });
  await until('it is live', () => client.status === 'live');
  expect(client.errors.map(({ message }) => message)).toEqual(['no token 1', 'no token 2']);
});

test('a token that expires is replaced while the connection stays', async () => {
  const stage = await Stage.set({ JWT_LEEWAY: '0s' });
  const id = await stage.db.component('0');
  let asked = 0;
  const client = stage.client({ token: () => token('ann', asked++ ? {} : { exp: inSeconds(2) }) });
  const statuses: string[] = [];
  client.component(id).watch(() => {});
  await until('it is live', () => client.status === 'live');
  client.onStatus((status) => statuses.push(status));
  const metric = () => fetch(`${stage.server.url}/metrics`).then((response) => response.text());
  await until('it has shown another', async () => (await metric()).includes('walcast_tokens_total{fate="refreshed"} 1'));
  await stage.db.sql("UPDATE components SET name = 'after'");
  await until('it hears on', () => client.component(id).state.data?.name === 'after');
  expect([asked, statuses, client.errors]).toEqual([2, [], []]);
});

test('polls ask for another token when theirs is refused', async () => {
  const stage = await Stage.set();
  await stage.db.component('0');
  stage.proxy.blocked = '/socket.io';
  let asked = 0;
  const client = stage.client({ token: () => (asked++ ? token('ann') : 'nonsense') });
  client.entity('page', 1).watch(() => {});
  await until('it polls', () => client.entity('page', 1).state.fresh && client.status === 'polling');
  expect(asked).toBe(2);
});
