import { expect, test } from 'vitest';
import { Stage } from './support/stage.js';
import { token } from './support/token.js';
import { until } from './support/until.js';

test('a table is followed by a filter, once for all who ask the same, and again after a cut', async () => {
  const stage = await Stage.set();
  const client = stage.client();
  const heard: string[] = [];
  const resyncs: string[] = [];
  let ready = 0;
  const query = { table: 'components', filter: 'type=eq.text' };
  const follow = (who: string) => client.changes(query, {
    onChange: ({ event, record }) => heard.push(`${who} ${event} ${record?.['name']}`),
    onReady: () => ready++,
    onResync: ({ reason }) => resyncs.push(reason),
  });
  const [stopA] = [follow('a'), follow('b')];
  await until('both follow', () => ready === 2);
  await stage.db.component('one');
  await until('both hear', () => heard.length === 2);
  stopA();
  await stage.db.sql("UPDATE components SET name = 'two'");
  await until('the other hears', () => heard.length === 3);
  expect(heard).toEqual(['a insert one', 'b insert one', 'b update two']);

  stage.proxy.cut();
  await until('it follows again', () => ready === 3);
  await stage.db.sql("UPDATE components SET type = 'image'");
  await until('it hears', () => heard.includes('b leave undefined'));
  stage.proxy.down = true;
  stage.proxy.cut();
  await stage.db.sql("UPDATE components SET type = 'text'");
  stage.proxy.down = false;
  await until('it is told that it missed something', () => resyncs.length > 0);
});

test('what cannot be followed says why', async () => {
  const stage = await Stage.set();
  const client = stage.client();
  const error = await new Promise((onError) => client.changes({ table: 'components', filter: 'none=eq.1' }, { onError, onChange: () => {} }));
  expect(error).toMatchObject({ code: 'invalid_payload' });
});

test('what the database tells a user is told once, also over a cut, and who may tells it by HTTP', async () => {
  const stage = await Stage.set();
  await stage.db.component('0');
  const client = stage.client({ token: () => token('ann', { broadcast: true }) });
  const paid: number[] = [];
  client.on('invoice:paid', ({ id }) => paid.push(id));
  client.entity('page', 1).watch(() => {});
  await until('it is live', () => client.entity('page', 1).state.fresh);
  const tell = (id: number) => stage.db.sql("SELECT walcast.broadcast('user:ann', 'invoice:paid', jsonb_build_object('id', $1::int))", [id]);
  await tell(1);
  await until('it hears', () => paid.length === 1);
  stage.proxy.down = true;
  stage.proxy.cut();
  await tell(2);
  stage.proxy.down = false;
  await until('it hears what it missed', () => paid.length === 2);
  await stage.db.sql('GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA walcast TO PUBLIC');
  await client.broadcast('user:ann', 'invoice:paid', { id: 3 });
  await until('it hears', () => paid.length === 3);
  expect(paid).toEqual([1, 2, 3]);
  await expect(stage.client().broadcast('user:ann', 'invoice:paid')).rejects.toMatchObject({ code: 'forbidden' });
});

test('rows of another table speak of components, by the prefix of its rule', async () => {
  const stage = await Stage.set();
  await stage.db.sql(`
    CREATE TABLE orders (number int PRIMARY KEY, company text NOT NULL, kind text NOT NULL DEFAULT 'company', status text);
    ALTER TABLE orders REPLICA IDENTITY FULL;
    ALTER PUBLICATION walcast ADD TABLE orders;
    SELECT walcast.broadcast_table('public.orders', prefix => 'order', entity => ARRAY['kind', 'company'], writable => ARRAY['status']);
    INSERT INTO orders VALUES (1, 'acme', 'company', 'open');
  `);
  const client = stage.client();
  const order = client.row<{ status: string }>('order', 1);
  const orders = client.rowsOf<{ number: number; status: string }>('order', 'company', 'acme', ({ number }) => `${number}`);
  order.watch(() => {});
  orders.watch(() => {});
  await until('it holds both', () => order.state.data && orders.state.data?.length);
  await stage.db.sql("INSERT INTO orders VALUES (2, 'acme', 'company', 'new')");
  await stage.db.sql("UPDATE orders SET status = 'sent' WHERE number = 1");
  await until('it hears', () => order.state.data!.status === 'sent' && orders.state.data!.length === 2);
  // Without a version an answer does not say between which events it belongs: so the row is fetched again.
  await order.update({ status: 'paid' });
  expect(order.state.data!.status).toBe('paid');
  await until('it has fetched', () => order.state.fresh && orders.state.fresh);
  expect(orders.state.data!.map(({ number, status }) => [number, status])).toEqual([[1, 'paid'], [2, 'new']]);
});
