import { expect, test } from 'vitest';
import { io } from 'socket.io-client';
import { finally_, Stage } from './support/stage.js';
import { token } from './support/token.js';
import { until } from './support/until.js';

/** Somebody who sees who comes and goes. */
async function watcher(url: string, room: object): Promise<string[]> {
  const seen: string[] = [];
  const socket = io(url, { auth: { token: token('watcher') }, forceNew: true });
  finally_(() => socket.disconnect());
  socket.onAny((event, { userId }) => userId === 'ann' && seen.push(event));
  await socket.emitWithAck('component:subscribe', room);
  return seen;
}

test('a room is subscribed to once, and left with the last who uses it', async () => {
  const stage = await Stage.set();
  const id = await stage.db.component('0');
  const seen = await watcher(stage.server.url, { componentId: id });
  const client = stage.client();
  const { said } = stage.proxy;
  await until('it is live', () => client.status === 'live');
  const leaves = [
    client.component(id).on('updated', () => {}),
    client.component(id).on('updated', () => {}),
    client.component(id).watch(() => {}),
    client.component(id).subscribe(),
  ];
  await until('it is in', () => seen.length === 1);
  for (const leave of leaves.splice(1)) {
    leave();
    leave();
  }
  // Whoever leaves and comes in one breath has not been away: what React does to each effect in Strict Mode.
  leaves[0]!();
  const heard: string[] = [];
  const last = client.component(id).on('updated', ({ updates }) => heard.push(updates.name!));
  await stage.db.sql("UPDATE components SET name = 'still'");
  await until('it hears', () => heard.length === 1);
  const subscriptions = () => said.filter((event) => event.endsWith('subscribe'));
  expect(subscriptions()).toEqual(['component:subscribe']);
  last();
  await until('others see it go', () => seen.includes('component:user-left'));
  expect(subscriptions()).toEqual(['component:subscribe', 'component:unsubscribe']);
});

test('a room that is left before the server has answered is left', async () => {
  const stage = await Stage.set();
  const id = await stage.db.component('0');
  const seen = await watcher(stage.server.url, { componentId: id });
  const client = stage.client({ grace: 0 });
  const { said } = stage.proxy;
  await until('it is live', () => client.status === 'live');
  stage.proxy.swallows = 'answers';
  client.component(id).subscribe()();
  await until('it has left', () => said.includes('component:unsubscribe'));
  stage.proxy.swallows = 'none';
  await until('others see it go, or have not seen it', () => seen.length === 0 || seen.at(-1) === 'component:user-left');
  const again: string[] = [];
  client.component(id).on('updated', ({ updates }) => again.push(updates.name!));
  await until('it is in', () => seen.at(-1) === 'component:user-joined');
  await stage.db.sql("UPDATE components SET name = 'heard'");
  await until('it hears', () => again.length === 1);
});

test('a room that is left and begun anew while the server takes us back is heard', async () => {
  const stage = await Stage.set();
  const id = await stage.db.component('0');
  const other = await stage.db.component('other');
  let asked = 0;
  const client = stage.client({
    grace: 0,
    token: () => {
      if (asked++) stage.proxy.hold(true);
      return token('ann');
    },
  });
  client.component(other).watch(() => {});
  const leave = client.component(id).watch(() => {});
  await until('it holds both', () => [id, other].every((each) => client.component(each).state.fresh));
  stage.proxy.cut();
  await until('it comes back', () => asked === 2);
  const { state } = client.component(id);
  leave();
  await until('it is left', () => client.component(id).state !== state && !client.component(id).state.fresh);
  client.component(id).watch(() => {});
  stage.proxy.hold(false);
  await until('it is live', () => client.component(id).state.fresh);
  await stage.db.sql("UPDATE components SET name = 'heard'");
  await until('it hears both', () => [id, other].every((each) => client.component(each).state.data?.name === 'heard'));
});

test('an entity hears of its own components alone, whichever rooms the client is in', async () => {
  const stage = await Stage.set();
  const [one, two] = [await stage.db.component('one', [], '1'), await stage.db.component('two', [], '2')];
  const client = stage.client();
  const heard: Record<string, string[]> = { 1: [], 2: [] };
  for (const page of ['1', '2']) {
    client.entity('page', page).on('changed', (event) => heard[page]!.push(`${event.type} ${event.componentId}`));
    await until('it knows its rows', () => client.entity('page', page).state.fresh);
  }
  client.component(two).subscribe();
  await stage.db.sql('UPDATE components SET name = $1 WHERE id = $2', ['x', one]);
  await stage.db.sql('UPDATE components SET name = $1 WHERE id = $2', ['x', two]);
  await stage.db.sql("UPDATE components SET entity_id = '2' WHERE id = $1", [one]);
  await stage.db.sql('UPDATE components SET name = $1 WHERE id = $2', ['y', one]);
  // That they were created may still have been told.
  const told = () => [heard['1']!.slice(-2), heard['2']!.slice(-3)];
  await until('it has heard all', () => told()[1]!.at(-1) === `updated ${one}`);
  expect(told()).toEqual([[`updated ${one}`, `deleted ${one}`], [`updated ${two}`, `created ${one}`, `updated ${one}`]]);
});
