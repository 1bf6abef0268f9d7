import { useCallback, useMemo, useSyncExternalStore } from 'react';
import { editorOf } from './editor.js';
import type { UpdateOptions } from './editor.js';
import { useSurroundings } from './provider.js';
import { many, one, viewOf } from './view.js';
import type { Live, View } from './view.js';
import type { Component, ComponentHandle, EntityHandle, Id, Row, Status, User, Written } from '../index.js';

/** Nothing to show yet: there is no id, or the page is rendered on a server. */
const NOTHING: Live<any> = { data: undefined, fresh: false, pending: false };
const nothing = () => NOTHING;
const never = () => () => {};

export interface LiveComponent<T extends Row = Component> extends Live<T | null> {
  /** For all else that can be done with it: nested components, typing, deleting. `undefined` without an id. */
  handle: ComponentHandle<T> | undefined;
  /** Shown at once, by whichever hook; rolled back if the promise is rejected. */
  update(updates: Partial<T>, options?: UpdateOptions<T>): Promise<Written>;
}

export interface LiveEntity<T extends Row = Component> extends Live<T[]> {
  handle: EntityHandle<T> | undefined;
  /** Of one of its components. */
  update(componentId: Id, updates: Partial<T>, options?: UpdateOptions<T>): Promise<Written>;
}

/** A component as the database holds it, and what you have changed of it. Without an id: nothing, yet. */
export function useComponent<T extends Row = Component>(id: Id | null | undefined): LiveComponent<T> {
  const { client } = useSurroundings('useComponent');
  const name = id == null ? undefined : `${id}`;
  const view = useMemo(
    () => (name === undefined ? undefined : viewOf<T, T | null>(client.component<T>(name), editorOf(client), one)),
    [client, name],
  );
  const live = useView(view);
  const handle = view?.handle as ComponentHandle<T> | undefined;
  const update = useCallback(
    (updates: Partial<T>, options?: UpdateOptions<T>) =>
      view ? view.editor.update(view.handle as ComponentHandle<T>, view, updates, options) : missing('useComponent'),
    [view],
  );
  return useMemo(() => ({ ...live, handle, update }), [live, handle, update]);
}

/** All components of an entity. Without an id: none, yet. */
export function useEntity<T extends Row = Component>(type: string, id: Id | null | undefined): LiveEntity<T> {
  const { client } = useSurroundings('useEntity');
  const name = id == null ? undefined : `${id}`;
  const view = useMemo(
    () => (name === undefined ? undefined : viewOf<T, T[]>(client.entity<T>(type, name), editorOf(client), many)),
    [client, type, name],
  );
  const live = useView(view);
  const handle = view?.handle as EntityHandle<T> | undefined;
  const update = useCallback(
    (componentId: Id, updates: Partial<T>, options?: UpdateOptions<T>) =>
      view ? view.editor.update(client.component<T>(componentId), view, updates, options) : missing('useEntity'),
    [client, view],
  );
  return useMemo(() => ({ ...live, handle, update }), [live, handle, update]);
}

function useView<D>(view: View<any, D> | undefined): Live<D> {
  return useSyncExternalStore(view?.subscribe ?? never, view?.snapshot ?? nothing, nothing);
}

function missing(hook: string): Promise<never> {
  return Promise.reject(new Error(`${hook}: it was given no id, so there is nothing to update`));
}

/** A room: by its name, `component:…` or `entity:…:…`, or by the ids of what it is of. */
export type RoomName = string | { componentId: Id } | { entityType: string; entityId: Id };

export interface LivePresence {
  /** Who is there, you among them. */
  users: User[];
  /** Says something of you, at most 4 KiB; resolved when the room has been told. */
  set(state: Record<string, unknown>): Promise<void>;
}

const NOBODY: User[] = [];
const nobody = () => NOBODY;

/** Who is in a room, in which you are as long as the hook is used. */
export function usePresence(room: RoomName | null | undefined): LivePresence {
  const { client } = useSurroundings('usePresence');
  // By text, for a room that is given by its ids is another object each time.
  const name = room == null ? undefined : JSON.stringify(partsOf(room));
  const presence = useMemo(() => {
    const [prefix, ...ids]: string[] = name === undefined ? [] : JSON.parse(name);
    if (prefix === undefined) return undefined;
    return (ids.length === 1 ? client.row(prefix, ids[0]!) : client.entity(ids[0]!, ids[1]!)).presence;
  }, [client, name]);
  const subscribe = useCallback((callback: () => void) => presence?.on(callback) ?? never(), [presence]);
  const users = useSyncExternalStore(subscribe, presence ? () => presence.users() : nobody, nobody);
  const set = useCallback((state: Record<string, unknown>) => presence?.set(state) ?? nobodyToTell(), [presence]);
  return useMemo(() => ({ users, set }), [users, set]);
}

function nobodyToTell(): Promise<never> {
  return Promise.reject(new Error('usePresence: it was given no room, so there is nobody to tell'));
}

function partsOf(room: RoomName): string[] {
  if (typeof room !== 'string') {
    return 'componentId' in room ? ['component', `${room.componentId}`] : ['entity', room.entityType, `${room.entityId}`];
  }
  const parts = /^(entity):([^:]+):(.+)$/s.exec(room) ?? (room.startsWith('entity:') ? null : /^([^:]+):(.+)$/s.exec(room));
  if (!parts) throw new Error(`usePresence: ${JSON.stringify(room)} names no room: say component:… or entity:…:…, or its ids`);
  return parts.slice(1);
}

/** Whether what is shown is live. */
export function useRealtimeStatus(): Status {
  const { client } = useSurroundings('useRealtimeStatus');
  const subscribe = useCallback((callback: () => void) => client.onStatus(callback), [client]);
  return useSyncExternalStore(subscribe, () => client.status, () => 'offline' as const);
}
