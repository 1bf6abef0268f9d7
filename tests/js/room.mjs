// What a replica holds of one room: rows, and up to which offset it has everything.

export const epoch = (offset) => offset.slice(0, offset.lastIndexOf('/'));

/** Within an epoch, string order is event order; another epoch is another history, which began later. */
export const isNewer = (offset, than) => than === null || epoch(offset) !== epoch(than) || offset > than;

export class Room {
  constructor(ids) {
    this.ids = ids;
    this.name = ids.componentId ? `component:${ids.componentId}` : `entity:${ids.entityType}:${ids.entityId}`;
    this.joined = false;
    /** It was joined when the connection was lost. */
    this.held = false;
    /** Fetches that are out of date are told by their ticket. */
    this.ticket = 0;
    this.resyncs = 0;
    this.marker = null;
    this.forget();
  }

  forget() {
    this.rows = new Map();
    this.offset = null;
    this.early = null;
    this.replays = null;
    this.ticket += 1;
  }

  /** What it missed is asked for, room by room. */
  awaitReplays() {
    this.replays = [];
  }

  /**
   * What it missed is there. An event that is in two rooms may have come with the other, before what precedes it in this
   * one: so they are put in order first.
   */
  join(offset, problem) {
    const { replays } = this;
    this.joined = true;
    this.replays = null;
    replays.sort(([, a], [, b]) => (isNewer(a.offset, b.offset) ? 1 : -1));
    for (const [event, payload] of replays) this.take(event, payload, problem);
    this.mark(offset);
  }

  isFetching() {
    return this.early !== null;
  }

  /** A fetch begins. Until it is there, events are kept for it. */
  expect(offset) {
    this.early = [];
    this.offset = offset;
    this.ticket += 1;
    return this.ticket;
  }

  /** The fetch may hold some of the kept events already, or all; applied in order they do no harm. */
  fill(rows, problem) {
    this.rows = new Map(rows.map((row) => [row.id, row]));
    const { early } = this;
    this.early = null;
    for (const [event, payload] of early) this.apply(event, payload, problem);
  }

  take(event, payload, problem) {
    if (this.replays) return void this.replays.push([event, payload]);
    if (this.offset === null || !this.concerns(event, payload) || !isNewer(payload.offset, this.offset)) return;
    if (epoch(payload.offset) !== epoch(this.offset)) {
      problem(`${this.name}: ${payload.offset} after ${this.offset}, and no resync between`);
    }
    this.offset = payload.offset;
    if (this.early) this.early.push([event, payload]);
    else this.apply(event, payload, problem);
  }

  mark(offset) {
    if (this.offset !== null && isNewer(offset, this.offset) && epoch(offset) === epoch(this.offset)) this.offset = offset;
  }

  concerns(event, payload) {
    const { componentId, entityType, entityId } = this.ids;
    if (componentId) {
      // It left an entity, not the world.
      return payload.componentId === componentId && payload.reason !== 'moved';
    }
    return !('entityType' in payload) || (payload.entityType === entityType && payload.entityId === entityId);
  }

  isMeantBy(resync) {
    const { componentId, entityType, entityId } = this.ids;
    if (componentId) return resync.componentId === componentId;
    if ('entityType' in resync) return resync.entityType === entityType && resync.entityId === entityId;
    return this.rows.has(resync.componentId);
  }

  apply(event, payload, problem) {
    if (event === 'component:created') this.rows.set(payload.componentId, structuredClone(payload.component));
    const row = this.rows.get(payload.componentId);
    if (!row) return;
    changes[event]?.(row, payload, this.rows) ?? problem(`${this.name}: ${event} is unknown`);
    if (row.name?.startsWith('marker')) this.marker = row.name;
  }
}

const find = (list, id) => list?.find((item) => item.id === id);
const without = (list, id) => (list ?? []).filter((item) => item.id !== id);

/** Each sets what it tells to what it tells, so that doing it again is harmless once those after it are done too. */
const changes = {
  'component:created': () => true,
  'component:updated': (row, { updates }) => Object.assign(row, updates),
  'component:deleted': (row, { componentId }, rows) => rows.delete(componentId),
  'component:nested-created': (row, { rowId, nestedComponent }) => {
    const place = find(row.rows, rowId);
    if (place) place.components = [...without(place.components, nestedComponent.id), nestedComponent];
    return true;
  },
  'component:nested-updated': (row, { rowId, nestedComponentId, updates }) => {
    const nested = find(find(row.rows, rowId)?.components, nestedComponentId);
    if (nested) {
      for (const [key, value] of Object.entries(updates)) {
        if (value === null) delete nested[key];
        else nested[key] = value;
      }
    }
    return true;
  },
  'component:nested-deleted': (row, { rowId, nestedComponentId }) => {
    const place = find(row.rows, rowId);
    if (place) place.components = without(place.components, nestedComponentId);
    return true;
  },
};
