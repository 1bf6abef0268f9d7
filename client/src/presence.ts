import type { Room } from './room.js';
import type { Statement } from './statement.js';
import type { Presence, Unsubscribe, User } from './types.js';

type State = Record<string, unknown>;

/** Who is in a room, as the ack, comings and goings, states and rosters tell it. */
export class Company implements Presence {
  #present = new Map<string, User>();
  #list: User[] | undefined;
  #statement: Statement | undefined;

  constructor(readonly _room: Room) {}

  on(callback: (users: User[]) => void): Unsubscribe {
    return this._room.on('presence', callback);
  }

  users(): User[] {
    return (this.#list ??= [...this.#present.values()]);
  }

  /** Most pages only look who is there, so what it takes to say something is loaded by those that do. */
  async set(state: State): Promise<void> {
    const { Statement } = await import('./statement.js');
    return (this.#statement ??= new Statement(this._room))._set(state);
  }

  /** There is a server that has not been told, or somebody looks at the page again. */
  _repeat(isNew: boolean): void {
    this.#statement?._repeat(isNew);
  }

  _roster(users: User[]): void {
    this.#present = new Map(users.map((user) => [user.id, user]));
    this.#changed();
  }

  _take(verb: string, { userId: id, userEmail: email, state }: { userId: string; userEmail: string; state?: State }): void {
    const { since = null, state: known = null } = this.#present.get(id) ?? {};
    if (verb === 'user-left') this.#present.delete(id);
    else this.#present.set(id, { id, email, since, state: state ?? known });
    this.#changed();
  }

  #changed(): void {
    this.#list = undefined;
    this._room._listeners.emit('presence', this.users());
  }
}
