import type { User } from '../index.js';

export type Entry<S extends object = Record<string, any>> = S & { presence_ref: string };

export interface PresenceChange<S extends object = Record<string, any>> {
  event: 'sync' | 'join' | 'leave';
  key: string;
  newPresences: Entry<S>[];
  leftPresences: Entry<S>[];
  currentPresences: Entry<S>[];
}

/** Who tracks something in a room, by the user's id. Who has said nothing, or nothing any more, is not there. */
export class Roster {
  #held = new Map<string, { said: object; entry: Entry }>();
  #refs = 0;

  state(): Record<string, Entry[]> {
    return Object.fromEntries([...this.#held].map(([key, { entry }]) => [key, [entry]]));
  }

  /** Takes over who is there now; what that changes, in the words of Supabase: another state is a join and a leave. */
  take(users: User[]): PresenceChange[] {
    const before = this.#held;
    const tracked = users.filter(({ state }) => state && Object.keys(state).length);
    this.#held = new Map(
      tracked.map(({ id, state }) => {
        const known = before.get(id);
        const isSame = known && JSON.stringify(known.said) === JSON.stringify(state);
        return [id, isSame ? known : { said: state!, entry: { ...state, presence_ref: String(++this.#refs) } }];
      }),
    );
    const entries = (held: typeof before, key: string) => [held.get(key)?.entry ?? []].flat();
    const changed = [...new Set([...before.keys(), ...this.#held.keys()])].filter((key) => before.get(key) !== this.#held.get(key));
    const changes = changed.flatMap((key): PresenceChange[] => {
      const currentPresences = entries(this.#held, key);
      const left = entries(before, key);
      return [
        ...(currentPresences.length ? [{ event: 'join' as const, key, newPresences: currentPresences, leftPresences: [], currentPresences }] : []),
        ...(left.length ? [{ event: 'leave' as const, key, newPresences: [], leftPresences: left, currentPresences }] : []),
      ];
    });
    return [...changes, { event: 'sync', key: '', newPresences: [], leftPresences: [], currentPresences: [] }];
  }
}
