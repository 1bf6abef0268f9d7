import { io } from 'socket.io-client';
import { describe, expect, test } from 'vitest';
import { comparable, finally_, Stage } from '../support/stage.js';
import { token } from '../support/token.js';
import { until } from '../support/until.js';
import { Screen, useBrowser } from './screen.js';

/** Who the server says is in a room, but whoever asks. */
async function company(stage: Stage, room: object): Promise<() => Promise<string[]>> {
  const socket = io(stage.server.url, { auth: { token: token('watcher') }, forceNew: true });
  finally_(() => socket.disconnect());
  return async () => {
    const { users } = await socket.emitWithAck('component:subscribe', room);
    return users.map(({ id }: { id: string }) => id).filter((id: string) => id !== 'watcher');
  };
}

describe.each(['react', 'react-18'] as const)('%s', (react) => {
  useBrowser(react);

  test('under Strict Mode hooks of one room subscribe once, and show what the database holds and whatever happens to it', async () => {
    const stage = await Stage.set();
    const id = await stage.db.component('0');
    const screen = await Screen.open(stage);
    expect(await screen.page.evaluate(() => walcast.react)).toMatch(react === 'react' ? /^19\./ : /^18\./);
    await screen.show(
      { key: 'one', kind: 'component', id },
      { key: 'two', kind: 'component', id },
      { key: 'who', kind: 'presence', room: `component:${id}` },
      { key: 'all', kind: 'entity', type: 'page', id: '1' },
    );
    for (const key of ['one', 'two', 'all']) await screen.untilShown(key, 'is fresh', ({ fresh }) => fresh);
    await stage.db.sql("UPDATE components SET name = '1'");
    const other = await stage.db.component('other');
    await screen.untilShown('all', 'shows the new one', ({ data }) => data.length === 2);
    for (const key of ['one', 'two']) await screen.untilShown(key, 'shows the change', ({ data }) => data.name === '1');
    const { data } = (await screen.latest('all'))!;
    expect(comparable(data)).toEqual(comparable(await stage.db.components()));
    await stage.db.sql('DELETE FROM components WHERE id = $1', [other]);
    await screen.untilShown('all', 'shows one less', ({ data }) => data.length === 1);
    expect(screen.said.filter((event) => event.endsWith('subscribe'))).toEqual(['component:subscribe', 'component:subscribe']);
    expect(screen.faults).toEqual([]);
  });

  test('another id is another component at once: nothing of the one before is shown, and its room is left', async () => {
    const stage = await Stage.set();
    const [one, two] = [await stage.db.component('one'), await stage.db.component('two')];
    const inOne = await company(stage, { componentId: one });
    const screen = await Screen.open(stage);
    await screen.show({ key: 'it', kind: 'component', id: null });
    expect(await screen.latest('it')).toMatchObject({ data: null, fresh: false });
    await screen.show({ key: 'it', kind: 'component', id: one });
    await screen.untilShown('it', 'shows the first', ({ data }) => data?.name === 'one');
    expect(await inOne()).toEqual(['ann']);
    await screen.show({ key: 'it', kind: 'component', id: two });
    expect(await screen.latest('it')).toMatchObject({ data: null, fresh: false });
    await screen.untilShown('it', 'shows the second', ({ data }) => data?.name === 'two');
    await until('it has left the first', async () => (await inOne()).length === 0);
    await stage.db.sql("UPDATE components SET name = name || '!'");
    await screen.untilShown('it', 'shows the change', ({ data }) => data.name === 'two!');
    expect(await screen.course('it', 'name')).toEqual(['one', 'two', 'two!']);
  });

  test('who goes before the server has answered leaves no subscription behind', async () => {
    const stage = await Stage.set();
    const id = await stage.db.component('0');
    const inIt = await company(stage, { componentId: id });
    const screen = await Screen.open(stage, 'ann', { grace: 0 });
    await screen.show({ key: 'status', kind: 'status' });
    await screen.untilShown<string>('status', 'is live', (status) => status === 'live');
    // Nothing that the server says is heard before it is over.
    await screen.page.evaluate((id) => {
      walcast.show([{ key: 'it', kind: 'component', id }]);
      walcast.show([]);
    }, id);
    await until('it has left', () => screen.said.includes('component:unsubscribe'));
    await until('nobody is in it', async () => (await inIt()).length === 0);
    expect(screen.said.filter((event) => event.endsWith('subscribe'))).toEqual(['component:subscribe', 'component:unsubscribe']);
    await screen.show({ key: 'it', kind: 'component', id });
    await screen.untilShown('it', 'is there again', ({ data, fresh }) => fresh && data.name === '0');
  });

  test('who is there, and what they say of themselves, until their browser is gone', async () => {
    const stage = await Stage.set();
    const ann = await Screen.open(stage, 'ann');
    const bob = await Screen.open(stage, 'bob');
    // Another object each time, as it stands in JSX.
    const room = { entityType: 'page', entityId: '1' };
    for (const screen of [ann, bob]) await screen.show({ key: 'who', kind: 'presence', room });
    await ann.untilShown<object[]>('who', 'sees both', (users) => users.length === 2);
    await ann.show({ key: 'who', kind: 'presence', room: { ...room } });
    await bob.page.evaluate(() => walcast.set('who', { colour: 'red' }));
    await ann.untilShown<any[]>('who', 'sees the colour', (users) => users.some(({ id, state }) => id === 'bob' && state?.colour === 'red'));
    await bob.page.context().close();
    await ann.untilShown<object[]>('who', 'is alone', (users) => users.length === 1);
    expect(ann.said.filter((event) => event.endsWith('subscribe'))).toEqual(['component:subscribe']);
  });

  test('the status says whether what is shown is live', async () => {
    const stage = await Stage.set();
    const screen = await Screen.open(stage);
    await screen.show({ key: 'status', kind: 'status' });
    await screen.untilShown<string>('status', 'is live', (status) => status === 'live');
    stage.proxy.down = true;
    stage.proxy.cut();
    await screen.untilShown<string>('status', 'is offline', (status) => status === 'offline');
    stage.proxy.down = false;
    await screen.untilShown<string>('status', 'is live again', (status) => status === 'live');
  });

  test('a change invalidates the keys of TanStack Query: of the component, of its entity, of both when it moves', async () => {
    const stage = await Stage.set();
    const id = await stage.db.component('0');
    const keys = [['component', id], ['components', 'page', '1'], ['components', 'page', '2'], ['component', 'another'], ['else']];
    const [own, page1, page2] = keys.map((key) => JSON.stringify(key));
    const screen = await Screen.open(stage);
    const invalidated = () => screen.page.evaluate(() => walcast.invalidated.splice(0));
    const cache = () => screen.page.evaluate((keys) => keys.forEach((key) => walcast.cache(key)), keys);
    const seen: string[] = [];
    const sees = (...expected: (string | undefined)[]) =>
      until(`it invalidates ${expected}`, async () => {
        seen.push(...(await invalidated()));
        return expected.every((key) => seen.includes(key!));
      });
    await cache();
    await screen.show({ key: 'it', kind: 'component', id }, { key: 'keys', kind: 'realtime', id });
    await sees(own, page1);
    for (const [change, ...expected] of [
      [() => stage.db.sql("UPDATE components SET name = '1'"), own, page1],
      [() => screen.update('it', [{ name: 'mine' }]), own, page1],
      [() => stage.db.sql("UPDATE components SET entity_id = '2'"), own, page1, page2],
      [() => stage.db.sql('DELETE FROM components'), own, page2],
    ] as const) {
      await cache();
      seen.length = 0;
      await change();
      await sees(...expected);
      expect([...new Set(seen)].sort()).toEqual([...expected].sort());
    }
  });
});
