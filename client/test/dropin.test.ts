import { expect, test } from 'vitest';
import { RealtimeClient } from '../src/dropin.js';
import { finally_, Stage } from './support/stage.js';
import { token } from './support/token.js';
import { until } from './support/until.js';

test('it does what the class did that frontends have', async () => {
  const stage = await Stage.set();
  const id = await stage.db.component('0');
  const realtime = new RealtimeClient(stage.proxy.url, { retryDelay: 20, grace: 5 });
  finally_(() => realtime.client.close());
  const heard: string[] = [];
  realtime.on('connect', () => heard.push('connect'));
  realtime.on('disconnect', () => heard.push('disconnect'));
  const stop = realtime.onComponentUpdated(({ updates }) => heard.push(`updated ${updates.name}`));
  realtime.onComponentCreated(({ component }) => heard.push(`created ${component.name}`));
  realtime.onComponentDeleted(({ componentId }) => heard.push(`deleted ${componentId}`));
  // Before there is a connection, and in two rooms that share events.
  realtime.subscribeToComponent(id);
  realtime.subscribeToComponent('page', 1);
  realtime.connect(token('ann'));
  const page = realtime.client.entity('page', 1);
  await until('it holds the page', () => page.state.fresh);
  heard.length = heard.indexOf('connect') + 1;
  await stage.db.sql("UPDATE components SET name = 'one'");
  await until('it hears', () => heard.includes('updated one'));
  const { version } = await realtime.updateComponent(id, { name: 'mine' });
  expect(version).toBe(3);
  const other = await stage.db.component('other');
  await until('it hears', () => heard.includes('created other'));
  stop();
  await stage.db.sql("UPDATE components SET name = 'unheard'");
  await stage.db.sql('DELETE FROM components WHERE id = $1', [other]);
  await until('it hears', () => heard.includes(`deleted ${other}`));
  realtime.disconnect();
  expect(heard.slice(heard.indexOf('connect'))).toEqual(['connect', 'updated one', 'created other', `deleted ${other}`, 'disconnect']);

  realtime.unsubscribeFromComponent('page', 1);
  realtime.onComponentUpdated(({ updates }) => heard.push(`again ${updates.name}`));
  await stage.db.sql('UPDATE components SET name = $1 WHERE id = $2', ['while away', id]);
  realtime.connect(() => token('ann'));
  await until('it hears what it missed', () => heard.includes('again while away'));
});
