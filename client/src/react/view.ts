import { overlay } from './draft.js';
import type { Editor, Shows } from './editor.js';
import type { Component, Handle, Row, Snapshot, Unsubscribe } from '../index.js';

/** What is shown of a room. It is another object only when anything of it is. */
export interface Live<D> extends Snapshot<D> {
  /** Whether `data` has updates of yours that are not in the database yet. */
  pending: boolean;
}

/** How the rows of a room are held: one or none, or a list. */
export interface Shape<T, D> {
  rows(data: D): T[];
  map(data: D, change: (row: T) => T): D;
}

export const one: Shape<any, any> = {
  rows: (row) => (row ? [row] : []),
  map: (row, change) => row && change(row),
};

export const many: Shape<any, any> = {
  rows: (list) => list,
  map: (list, change) => {
    const after = list.map(change);
    return after.some((row: unknown, at: number) => row !== list[at]) ? after : list;
  },
};

const idOf = (row: Row) => String(row.id);

/** A room as React wants it: `subscribe` and `snapshot` for useSyncExternalStore. */
export class View<T extends Row = Component, D = unknown> implements Shows {
  #callbacks = new Set<() => void>();
  #stop: Unsubscribe = () => {};
  #shown: Live<D> | undefined;
  #from: { state?: Snapshot<D>; revision?: number } = {};

  constructor(readonly handle: Handle<T, D>, readonly editor: Editor, readonly shape: Shape<T, D>) {}

  confirmed(id: string): { row: Row | null; isFresh: boolean } | undefined {
    const { data, fresh } = this.handle.state;
    const row = data === undefined ? undefined : this.shape.rows(data).find((row) => idOf(row) === id);
    return row && { row, isFresh: fresh };
  }

  subscribe = (callback: () => void): Unsubscribe => {
    const own = () => callback();
    if (!this.#callbacks.size) this.#start();
    this.#callbacks.add(own);
    return () => {
      if (this.#callbacks.delete(own) && !this.#callbacks.size) this.#stop();
    };
  };

  snapshot = (): Live<D> => {
    const { state } = this.handle;
    const { revision } = this.editor;
    if (!this.#shown || this.#from.state !== state || this.#from.revision !== revision) {
      const shown = this.#show(state);
      // A draft of a row that is not ours changes nothing.
      const isSame = this.#shown && this.#from.state === state && this.#shown.data === shown.data && this.#shown.pending === shown.pending;
      this.#shown = isSame ? this.#shown! : shown;
      this.#from = { state, revision };
    }
    return this.#shown!;
  };

  #show(state: Snapshot<D>): Live<D> {
    const { data, fresh } = state;
    if (data === undefined) return { ...state, pending: false };
    const drafted = (row: T) => this.editor.draftsOf(idOf(row));
    return {
      ...state,
      data: this.shape.map(data, (row) => overlay(row, fresh, drafted(row))!),
      pending: this.shape.rows(data).some((row) => drafted(row).some((draft) => draft.state !== 'settled')),
    };
  }

  #start(): void {
    const tell = () => {
      for (const callback of [...this.#callbacks]) callback();
    };
    const stopWatching = this.handle.watch(() => {
      this.editor.release();
      tell();
    });
    const stopShowing = this.editor.show(this, tell);
    this.#stop = () => {
      stopWatching();
      stopShowing();
    };
  }
}

const views = new WeakMap<object, View<any, any>>();

/** The one of a room: handles of one room are one object, as long as anybody has it. */
export function viewOf<T extends Row, D>(handle: Handle<T, D>, editor: Editor, shape: Shape<T, D>): View<T, D> {
  let view = views.get(handle);
  if (!view) views.set(handle, (view = new View<T, D>(handle, editor, shape)));
  return view;
}
