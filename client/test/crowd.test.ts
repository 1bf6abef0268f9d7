import { expect, test } from 'vitest';
import type { Client } from '../src/index.js';
import { Stage } from './support/stage.js';
import { until } from './support/until.js';

/** As many as a handshake names, and the server lets a socket be in unless it is told otherwise. */
const ROOMS = 1_000;
/** The server lets a socket ask a hundred times a second. */
const PATIENCE_MS = 60_000;

async function components(stage: Stage, count: number): Promise<string[]> {
  const rows = await stage.db.sql(
    "INSERT INTO components (entity_type, entity_id, type, name) SELECT 'page', '1', 'text', '0' FROM generate_series(1, $1::int) RETURNING id",
    [count],
  );
  return rows.map(({ id }) => id);
}

/** Listens to each of them; what was heard of each. */
function listen(client: Client, ids: string[]): { heard: Map<string, string[]>; resyncs: string[]; refusals: Error[] } {
  const told = { heard: new Map<string, string[]>(ids.map((id) => [id, []])), resyncs: [] as string[], refusals: [] as Error[] };
  for (const id of ids) {
    const one = client.component(id);
    one.on('updated', ({ updates }) => told.heard.get(id)!.push(updates.name!));
    one.on('resync', ({ reason }) => told.resyncs.push(reason));
    one.on('error', (error) => told.refusals.push(error));
  }
  return told;
}

const isIn = (client: Client, ids: string[]) => ids.every((id) => client.component(id).presence.users().length);

test('a client in as many rooms as the server allows enters them without being refused for good, and misses nothing of any', async () => {
  const stage = await Stage.set();
  const ids = await components(stage, ROOMS);
  const client = stage.client();
  const { heard, resyncs, refusals } = listen(client, ids);
  await until('it is in all', () => isIn(client, ids), PATIENCE_MS);
  await stage.db.sql("UPDATE components SET name = '1'");
  await until('it hears of all', () => ids.every((id) => heard.get(id)!.length === 1));
  stage.proxy.down = true;
  stage.proxy.cut();
  await stage.db.sql("UPDATE components SET name = '2'");
  stage.proxy.down = false;
  await until('it hears what it missed', () => ids.every((id) => heard.get(id)!.length >= 2));
  expect(new Set([...heard.values()].map(String))).toEqual(new Set(['1,2']));
  expect([resyncs, refusals, client.errors]).toEqual([[], [], []]);
  // It came once, and once more, if it did not hear all of it by asking meanwhile: nobody sent it away.
  expect(stage.proxy.requests.filter((line) => line.includes('websocket')).length).toBeLessThanOrEqual(2);
}, 2 * PATIENCE_MS);

test('one in more, which a server may allow, is told resync of those that its handshake could not name', async () => {
  const stage = await Stage.set({ WALCAST_MAX_ROOMS: '0', WALCAST_RATE_LIMIT: '500', WALCAST_RATE_BURST: '50' });
  const ids = await components(stage, ROOMS + 50);
  const client = stage.client();
  const { heard, resyncs, refusals } = listen(client, ids);
  await until('it is in all', () => isIn(client, ids), PATIENCE_MS);
  stage.proxy.cut();
  await until('it is told', () => resyncs.length === 50);
  await stage.db.sql("UPDATE components SET name = 'after'");
  await until('it hears of all', () => ids.every((id) => heard.get(id)!.includes('after')));
  expect([new Set(resyncs), refusals, client.errors]).toEqual([new Set(['history gap']), [], []]);
}, 2 * PATIENCE_MS);
