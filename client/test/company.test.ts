import { expect, test } from 'vitest';
import type { User } from '../src/index.js';
import { Page } from './support/page.js';
import { Stage } from './support/stage.js';
import { token } from './support/token.js';
import { until } from './support/until.js';

const states = (users: User[]) => Object.fromEntries(users.map(({ id, state }) => [id, state]));

test('who is in a room is known to all in it, with what they say of themselves, also after a reconnect', async () => {
  const stage = await Stage.set();
  const ann = stage.client();
  const bob = stage.client({ token: () => token('bob') });
  const seen: string[][] = [];
  ann.entity('page', 1).presence.on((users) => seen.push(users.map(({ id }) => id)));
  await until('ann is in', () => ann.entity('page', 1).presence.users().length === 1);
  const leave = bob.entity('page', 1).subscribe();
  bob.entity('page', 1).presence.set({ colour: 'red' });
  await until('ann sees bob', () => states(ann.entity('page', 1).presence.users())['bob']);
  await until('bob sees ann', () => bob.entity('page', 1).presence.users().length === 2);
  expect(states(ann.entity('page', 1).presence.users())).toEqual({ ann: null, bob: { colour: 'red' } });
  await stage.restart();
  await until('all are back', () => states(ann.entity('page', 1).presence.users())['bob'] && ann.entity('page', 1).presence.users().length === 2);
  leave();
  await until('ann sees bob go', () => ann.entity('page', 1).presence.users().length === 1);
  expect(seen.at(-1)).toEqual(['ann']);
});

test('typing and cursors reach the others, and nothing of it is said while the page is hidden', async () => {
  const stage = await Stage.set();
  const id = await stage.db.component('0');
  const page = new Page();
  const ann = stage.client({ visibility: page });
  const bob = stage.client({ token: () => token('bob') });
  const heard: unknown[] = [];
  bob.component(id).on('typing', ({ userId }) => heard.push(['typing', userId]));
  bob.component(id).on('cursor', ({ userId, position }) => heard.push([userId, position]));
  bob.entity('page', 1).on('cursor', ({ userId, position, componentId }) => heard.push([userId, position, componentId]));
  const one = ann.component(id);
  one.subscribe();
  ann.entity('page', 1).subscribe();
  await until('both are in', () => [one, ann.entity('page', 1), bob.component(id), bob.entity('page', 1)].every(({ presence }) => presence.users().length === 2));
  one.typing();
  await until('it is heard', () => heard.length === 1);
  page.turn(true);
  one.cursor({ x: 1 });
  one.presence.set({ looks: 'away' });
  page.turn(false);
  one.cursor({ x: 2 });
  await until('it is heard', () => heard.length === 2);
  ann.entity('page', 1).cursor({ x: 3 }, id);
  await until('it is heard', () => heard.length === 4);
  expect(heard.slice(0, 2)).toEqual([['typing', 'ann'], ['ann', { x: 2 }]]);
  expect(heard.slice(2)).toEqual(expect.arrayContaining([['ann', { x: 3 }], ['ann', { x: 3 }, id]]));
  // What was to be known of somebody is said when they are back.
  await until('the state is told', () => states(bob.component(id).presence.users())['ann']);
});

test('a page that is hidden for long leaves, and comes back with what it missed', async () => {
  const stage = await Stage.set();
  const id = await stage.db.component('0');
  const page = new Page();
  const client = stage.client({ visibility: page, hiddenTimeout: 50 });
  const heard: unknown[] = [];
  client.component(id).on('updated', ({ updates }) => heard.push(updates.name));
  client.component(id).on('resync', ({ reason }) => heard.push(reason));
  await until('it is live', () => client.status === 'live' && client.component(id).presence.users().length === 1);
  page.turn(true);
  page.turn(false);
  page.turn(true);
  await until('it has left', () => client.status === 'offline');
  await stage.db.sql("UPDATE components SET name = 'unseen'");
  page.turn(false);
  await until('it hears what it missed', () => heard.length === 1);
  expect([heard, client.status]).toEqual([['unseen'], 'live']);
});

test('who says too much of themselves, or too much at once, is told so, and what they say next is heard', async () => {
  const stage = await Stage.set();
  const ann = stage.client();
  const bob = stage.client({ token: () => token('bob') });
  const page = ann.entity('page', 1);
  const leave = page.subscribe();
  bob.entity('page', 1).subscribe();
  // Before they are in it, and after.
  const large = { text: 'x'.repeat(5_000) };
  await expect(page.presence.set(large)).rejects.toMatchObject({ code: 'payload_too_large' });
  await expect(page.presence.set(large)).rejects.toMatchObject({ code: 'payload_too_large' });
  const overtaken = page.presence.set({ colour: 'red' });
  await page.presence.set({ colour: 'blue' });
  await overtaken;
  await until('bob sees it', () => states(bob.entity('page', 1).presence.users())['ann']?.['colour'] === 'blue');
  stage.proxy.cut();
  await until('ann is out of it', () => ann.status !== 'live');
  await page.presence.set({ colour: 'green' });
  await until('bob sees it', () => states(bob.entity('page', 1).presence.users())['ann']?.['colour'] === 'green');
  expect(ann.errors).toEqual([]);
  page.cursor({ text: large.text });
  await until('it is told', () => ann.errors.length);
  expect(ann.errors).toMatchObject([{ code: 'payload_too_large' }]);
  leave();
});
