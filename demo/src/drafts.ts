import { WalcastError } from 'walcast-client';
import type { Client, Component, Written } from 'walcast-client';
import { Changing } from './changing';
import { keyOf, theirs, valueAt, write } from './place';
import type { Place } from './place';

export interface Draft {
  place: Place;
  value: unknown;
  /** What stood there when it was begun, and in which version of the component. */
  base: unknown;
  version: number;
  data: object;
  phase: 'editing' | 'waiting' | 'saving' | 'conflict';
  /** Of a conflict: what others have written meanwhile, and what it is part of. */
  theirs?: unknown;
  there?: { version: number; data: object };
}

/** What somebody here has changed and the database does not hold yet; while there is no connection, that waits. */
export class Drafts extends Changing {
  readonly #drafts = new Map<string, Draft>();

  constructor(
    readonly client: Client,
    readonly saved: (place: Place, written: Written) => void,
    readonly failed: (message: string) => void,
  ) {
    super();
    client.onStatus((status) => {
      if (status === 'live') for (const draft of this.#drafts.values()) if (draft.phase === 'waiting') void this.#save(draft);
    });
  }

  of(place: Place): Draft | undefined {
    return this.#drafts.get(keyOf(place));
  }

  /** The first that needs a decision. */
  get conflict(): Draft | undefined {
    return [...this.#drafts.values()].find(({ phase }) => phase === 'conflict');
  }

  get waiting(): number {
    return [...this.#drafts.values()].filter(({ phase }) => phase === 'waiting').length;
  }

  change(component: Component, place: Place, value: unknown): void {
    const base = valueAt(component, place);
    const begun = this.of(place) ?? { place, base, version: component.version, data: component.data };
    this.#drafts.set(keyOf(place), { ...begun, value, phase: 'editing' });
    this.changed();
  }

  /** Done with it: it is written, now or when there is a connection. */
  commit(place: Place): void {
    const draft = this.of(place);
    if (draft?.phase !== 'editing') return;
    if (draft.value === draft.base) return this.drop(place);
    draft.phase = 'waiting';
    this.changed();
    if (this.client.status === 'live') void this.#save(draft);
  }

  drop(place: Place): void {
    this.#drafts.delete(keyOf(place));
    this.changed();
  }

  /** Decides a conflict: this is what is to stand there. */
  resolve(draft: Draft, value: unknown): void {
    if (value === draft.theirs) return this.drop(draft.place);
    Object.assign(draft, draft.there, { value, base: draft.theirs, phase: 'editing' });
    this.commit(draft.place);
  }

  /** Not now: it stays as it was typed, and is asked again when it is done. */
  postpone(draft: Draft): void {
    if (draft.phase !== 'conflict') return;
    draft.phase = 'editing';
    this.changed();
  }

  async #save(draft: Draft): Promise<void> {
    const { place, value } = draft;
    draft.phase = 'saving';
    try {
      // Who ticks a box last is right.
      const version = typeof value === 'boolean' ? undefined : draft.version;
      const written = await write(this.client, place, value, draft.data, version);
      this.saved(place, written);
    } catch (error) {
      return this.#refused(draft, error);
    }
    // Who went on typing meanwhile has begun another.
    if (this.of(place) === draft) this.drop(place);
    else this.#rebase(place, draft);
  }

  #refused(draft: Draft, error: unknown): void {
    const { code, current, message } = error as WalcastError;
    if (code === 'conflict') {
      draft.theirs = theirs(draft.place, current);
      draft.there = { version: Number(current?.version), data: (current?.data as object) ?? {} };
      if (draft.theirs === draft.value) return this.drop(draft.place);
      // Another part of the component was changed: that is no reason to ask.
      if (draft.theirs === draft.base) return void this.#save(Object.assign(draft, draft.there));
      draft.phase = 'conflict';
    } else if (code === 'disconnected' || code === 'timeout' || code === 'unavailable') {
      draft.phase = 'waiting';
      // Else the next connection begins with it.
      if (this.client.status === 'live') setTimeout(() => draft.phase === 'waiting' && void this.#save(draft), 1_000);
    } else {
      this.failed(code === 'not_found' ? 'Somebody has deleted what you were changing.' : `It was not saved: ${message}.`);
      return this.drop(draft.place);
    }
    this.changed();
  }

  /** What is typed now goes on from what was saved. */
  #rebase(place: Place, { value, version }: Draft): void {
    const next = this.of(place);
    if (next) Object.assign(next, { base: value, version: Math.max(next.version, version) });
  }
}
