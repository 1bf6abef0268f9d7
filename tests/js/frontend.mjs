// A frontend of the main job as its authors wrote it: a class around a stock client that listens to the events of a page
// and writes without waiting for acks. Two users edit one page with it.
//
//   node frontend.mjs URL TOKEN TOKEN      exit code 0: both saw the same page at the end
import assert from 'node:assert/strict';
import { io } from 'socket.io-client';

class PageClient {
  components = new Map();
  errors = [];

  constructor(url, token) {
    this.socket = io(url, { auth: { token }, transports: ['websocket'], reconnection: false });
    this.socket.on('component:created', ({ componentId, component }) => this.components.set(componentId, component));
    this.socket.on('component:updated', ({ componentId, updates }) => this.change(componentId, (c) => Object.assign(c, updates)));
    this.socket.on('component:deleted', ({ componentId }) => this.components.delete(componentId));
    this.socket.on('component:nested-created', ({ componentId, rowId, nestedComponent }) => {
      this.nested(componentId, rowId, (list) => {
        if (!list.some(({ id }) => id === nestedComponent.id)) list.push(nestedComponent);
      });
    });
    this.socket.on('component:nested-updated', ({ componentId, rowId, nestedComponentId, updates }) => {
      this.nested(componentId, rowId, (list) => merge(list.find(({ id }) => id === nestedComponentId), updates));
    });
    this.socket.on('component:nested-deleted', ({ componentId, rowId, nestedComponentId }) => {
      this.nested(componentId, rowId, (list) => list.splice(list.findIndex(({ id }) => id === nestedComponentId), 1));
    });
    this.socket.on('component:error', (error) => this.errors.push(error));
  }

  subscribe(entityType, entityId) {
    return new Promise((done) => this.socket.emit('component:subscribe', { entityType, entityId }, done));
  }

  /** The writer sees its own edit at once, and hears nothing more of it. */
  update(componentId, updates) {
    this.change(componentId, (component) => Object.assign(component, updates));
    this.socket.emit('component:update', { componentId, updates });
  }

  updateNested(componentId, rowId, nestedComponentId, updates) {
    this.nested(componentId, rowId, (list) => merge(list.find(({ id }) => id === nestedComponentId), updates));
    this.socket.emit('component:nested-update', { componentId, rowId, nestedComponentId, updates });
  }

  change(componentId, edit) {
    const component = this.components.get(componentId);
    if (component) edit(component);
  }

  nested(componentId, rowId, edit) {
    this.change(componentId, ({ rows }) => edit((rows.find(({ id }) => id === rowId).components ??= [])));
  }
}

function merge(nested, updates) {
  for (const [key, value] of Object.entries(updates)) {
    if (value === null) delete nested[key];
    else nested[key] = value;
  }
}

async function until(what, is) {
  for (const end = Date.now() + 20_000; !is(); ) {
    assert.ok(Date.now() < end, `${what} did not come`);
    await new Promise((turn) => setTimeout(turn, 5));
  }
}

const [url, ...tokens] = process.argv.slice(2);
const [ann, bob] = tokens.map((token) => new PageClient(url, token));
assert.equal((await ann.subscribe('page', '1')).ok, true);
const joined = await bob.subscribe('page', '1');
assert.deepEqual(joined.users.map(({ id }) => id).sort(), ['ann', 'bob']);

const only = (client) => [...client.components.entries()][0];
ann.socket.emit('component:create', {
  entityType: 'page', entityId: '1',
  component: { type: 'hero', name: 'Draft', rows: [{ id: 'r1', components: [{ id: 'n1', text: 'a' }] }] },
});
await until('the component', () => ann.components.size === 1 && bob.components.size === 1);
const [id] = only(ann);

for (let n = 0; n < 50; n++) ann.update(id, { name: `Draft ${n}`, data: { n } });
await until("ann's edits", () => only(bob)[1].data.n === 49);
for (let n = 0; n < 50; n++) bob.updateNested(id, 'r1', 'n1', { text: `b${n}`, [`k${n}`]: n });
await until("bob's edits", () => only(ann)[1].rows[0].components[0].text === 'b49');
bob.socket.emit('component:nested-create', { componentId: id, rowId: 'r1', nestedComponent: { id: 'n2', text: 'new' } });
ann.socket.emit('component:nested-delete', { componentId: id, rowId: 'r1', nestedComponentId: 'n1' });
const nested = (client) => JSON.stringify(only(client)[1].rows[0].components);
await until('the nested components', () => [ann, bob].every((client) => nested(client) === '[{"id":"n2","text":"new"}]'));
assert.equal(only(ann)[1].name, 'Draft 49');
assert.equal(only(bob)[1].name, 'Draft 49');

bob.socket.emit('component:update', { componentId: id, updates: { nope: 1 } });
await until('the error', () => bob.errors.length === 1);
assert.deepEqual([bob.errors[0].event, bob.errors[0].code], ['component:update', 'invalid_payload']);
bob.socket.emit('component:delete', { componentId: id });
await until('the end', () => ann.components.size === 0 && bob.components.size === 0);
assert.deepEqual(ann.errors, []);
for (const client of [ann, bob]) client.socket.disconnect();
