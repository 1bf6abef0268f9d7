// A page of React as its authors wrote it: a hook that fetches the rows of a page, and again on every event that it hears
// of it.
//
//   node hook.mjs URL TOKEN TOKEN      exit code 0: the page showed every edit, also those made while it was cut off
import assert from 'node:assert/strict';
import { createElement, useCallback, useEffect, useRef, useState } from 'react';
import { act, create } from 'react-test-renderer';
import { io } from 'socket.io-client';

const EVENTS = ['created', 'updated', 'deleted', 'nested-created', 'nested-updated', 'nested-deleted', 'resync'];
const [url, token, other] = process.argv.slice(2);

function useComponents(socket, entityType, entityId) {
  const [components, setComponents] = useState([]);
  const latest = useRef(0);
  const fetchComponents = useCallback(async () => {
    const mine = ++latest.current;
    const query = new URLSearchParams({ entityType, entityId });
    const response = await fetch(`${url}/api/components?${query}`, { headers: { Authorization: `Bearer ${token}` } });
    assert.equal(response.status, 200);
    const { rows } = await response.json();
    // Of two that are under way, the one that was asked for later knows more, whichever comes first.
    if (mine === latest.current) setComponents(rows);
  }, [entityType, entityId]);

  useEffect(() => {
    const subscribe = () => socket.emit('component:subscribe', { entityType, entityId }, fetchComponents);
    socket.on('connect', subscribe);
    if (socket.connected) subscribe();
    for (const event of EVENTS) socket.on(`component:${event}`, fetchComponents);
    return () => {
      socket.off('connect', subscribe);
      for (const event of EVENTS) socket.off(`component:${event}`, fetchComponents);
      socket.emit('component:unsubscribe', { entityType, entityId });
    };
  }, [socket, entityType, entityId, fetchComponents]);
  return components;
}

function Page({ socket, id }) {
  const components = useComponents(socket, 'page', id);
  return createElement('ul', null, components.map(({ id, name, rows }) =>
    createElement('li', { key: id }, JSON.stringify([name, rows.map((row) => row.components?.map(({ text }) => text))]))));
}

const shown = () => (page.toJSON().children ?? []).map(({ children }) => children[0]).sort();

async function shows(...expected) {
  const wanted = expected.map((item) => JSON.stringify(item)).sort();
  for (const end = Date.now() + 20_000; JSON.stringify(shown()) !== JSON.stringify(wanted); ) {
    assert.ok(Date.now() < end, `it shows ${shown()} and not ${wanted}`);
    await act(() => new Promise((turn) => setTimeout(turn, 5)));
  }
}

globalThis.IS_REACT_ACT_ENVIRONMENT = true;
const connect = (token) => io(url, { auth: { token }, reconnectionDelay: 20, forceNew: true });
const [mine, theirs] = [connect(token), connect(other)];
const write = async (event, payload) => {
  const ack = await theirs.timeout(20_000).emitWithAck(`component:${event}`, payload);
  assert.equal(ack.ok, true, JSON.stringify(ack));
  return ack;
};

let page;
await act(() => { page = create(createElement(Page, { socket: mine, id: '1' })); });
const rows = [{ id: 'r1', components: [{ id: 'n1', text: 'a' }] }];
const { componentId } = await write('create', { entityType: 'page', entityId: '1', component: { type: 'hero', name: 'one', rows } });
await shows(['one', [['a']]]);
for (let n = 0; n < 20; n++) theirs.emit('component:update', { componentId, updates: { name: `edit ${n}` } });
await shows(['edit 19', [['a']]]);
const nested = { componentId, rowId: 'r1' };
await write('nested-create', { ...nested, nestedComponent: { id: 'n2', text: 'b' } });
await shows(['edit 19', [['a', 'b']]]);
await write('nested-update', { ...nested, nestedComponentId: 'n2', updates: { text: 'c' } });
await shows(['edit 19', [['a', 'c']]]);
await write('nested-delete', { ...nested, nestedComponentId: 'n1' });
await shows(['edit 19', [['c']]]);

// Its own edits it hears nothing of: it knows what it has written.
const ack = await mine.emitWithAck('component:update', { componentId, updates: { name: 'mine' } });
assert.equal(ack.ok, true);
await write('create', { entityType: 'page', entityId: '1', component: { type: 'hero', name: 'two', rows: [] } });
await shows(['mine', [['c']]], ['two', []]);

// Cut off while others write, it shows what they wrote once it is back.
mine.io.engine.close();
await write('update', { componentId, updates: { name: 'meanwhile' } });
await shows(['meanwhile', [['c']]], ['two', []]);

// Another page hears nothing of this one any more, and is empty.
await act(() => page.update(createElement(Page, { socket: mine, id: '2' })));
await shows();
await write('delete', { componentId });
await act(() => page.update(createElement(Page, { socket: mine, id: '1' })));
await shows(['two', []]);
await act(() => page.unmount());
for (const socket of [mine, theirs]) socket.disconnect();
