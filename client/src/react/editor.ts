import { added, conflictOf, isHeld, retried, sendable, sent, without, written, yielded } from './draft.js';
import type { Conflict, Draft, Drafts } from './draft.js';
import type { Client, ComponentHandle, Row, Unsubscribe, Written } from '../index.js';

export type Choice<T extends Row> = 'mine' | 'theirs' | Partial<T>;

export interface UpdateOptions<T extends Row> {
  /**
   * Asked when somebody else has set the same columns meanwhile, and until it has answered nothing is written: `mine`
   * overwrites theirs, `theirs` gives up, anything else is written in place of both. Without it the last writer wins.
   */
  onConflict?: (conflict: Conflict<T>) => Choice<T> | Promise<Choice<T>>;
}

/** What shows rows, and so must have one that is written before its draft can go. */
export interface Shows {
  /** `undefined`: it does not show this row. */
  confirmed(id: string): { row: Row | null; isFresh: boolean } | undefined;
}

interface Order {
  readonly handle: ComponentHandle<any>;
  readonly onConflict: UpdateOptions<any>['onConflict'];
  resolve(written: Written): void;
  reject(error: unknown): void;
}

const NONE: Drafts = [];

/** Our own updates of a client's components: shows them at once, and carries them out. */
export class Editor {
  /** Counts changes of what is drafted. */
  revision = 0;
  #drafts = new Map<string, Drafts>();
  #orders = new Map<number, Order>();
  #shown = new Set<Shows>();
  #callbacks = new Set<() => void>();
  #keys = 0;

  draftsOf(id: string): Drafts {
    return this.#drafts.get(id) ?? NONE;
  }

  /** Is told of every change of a draft. */
  show(view: Shows, callback: () => void): Unsubscribe {
    this.#shown.add(view);
    this.#callbacks.add(callback);
    return () => {
      this.#shown.delete(view);
      this.#callbacks.delete(callback);
      this.release();
    };
  }

  update<T extends Row>(
    handle: ComponentHandle<T>, upon: Shows, updates: Partial<T>, { onConflict }: UpdateOptions<T> = {},
  ): Promise<Written> {
    return new Promise((resolve, reject) => {
      const key = ++this.#keys;
      const { row = null, isFresh = false } = upon.confirmed(handle.id) ?? {};
      this.#orders.set(key, { handle, onConflict, resolve, reject });
      this.#change(handle.id, added(this.draftsOf(handle.id), row, isFresh, { key, updates, isGuarded: !!onConflict }));
    });
  }

  /** Forgets what every view has confirmed. */
  release(): void {
    for (const [id, drafts] of this.#drafts) {
      const seen = [...this.#shown].flatMap((view) => view.confirmed(id) ?? []);
      const needed = drafts.filter((draft) => draft.state !== 'settled' || seen.some(({ row, isFresh }) => !isHeld(row, isFresh, draft)));
      if (needed.length < drafts.length) this.#set(id, needed);
    }
  }

  #change(id: string, drafts: Drafts): void {
    this.#set(id, drafts);
    this.release();
    for (const { key } of sendable(this.draftsOf(id))) {
      this.#set(id, sent(this.draftsOf(id), key));
      void this.#carryOut(id, this.draftsOf(id).find((draft) => draft.key === key)!);
    }
    for (const callback of [...this.#callbacks]) callback();
  }

  #set(id: string, drafts: Drafts): void {
    this.revision += 1;
    if (drafts.length) this.#drafts.set(id, drafts);
    else this.#drafts.delete(id);
  }

  async #carryOut(id: string, draft: Draft): Promise<void> {
    const { key, updates, isGuarded, version } = draft;
    const { handle, onConflict, resolve, reject } = this.#orders.get(key)!;
    try {
      const ack = await handle.update(updates, isGuarded && version !== undefined ? { version } : {});
      this.#change(id, written(this.draftsOf(id), key, ack));
      this.#orders.delete(key);
      resolve(ack);
    } catch (refusal) {
      try {
        const { code, current } = refusal as { code?: string; current?: Row };
        if (code !== 'conflict' || !current) throw refusal;
        // The draft as it is now: what was settled meanwhile may have changed what it was made upon.
        const conflict = conflictOf(this.draftsOf(id).find((other) => other.key === key)!, current);
        const choice = conflict && onConflict ? await onConflict(conflict) : 'mine';
        if (choice === 'theirs') {
          this.#change(id, yielded(this.draftsOf(id), key, conflict!));
          this.#orders.delete(key);
          resolve({ version: conflict!.version, updates: current });
        } else {
          this.#change(id, retried(this.draftsOf(id), key, current, choice === 'mine' ? updates : choice));
        }
      } catch (error) {
        this.#change(id, without(this.draftsOf(id), key));
        this.#orders.delete(key);
        reject(error);
      }
    }
  }
}

const editors = new WeakMap<Client, Editor>();

/** The one of a client, so that whoever shows a component shows what any other has drafted of it. */
export function editorOf(client: Client): Editor {
  let editor = editors.get(client);
  if (!editor) editors.set(client, (editor = new Editor()));
  return editor;
}
