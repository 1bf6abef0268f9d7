import type { Presence, Unsubscribe, User } from './types.js';

type State = Record<string, unknown>;

/** Who is in a room, as the ack, comings and goings, states and rosters tell it. */
export class Company implements Presence {
  #present = new Map<string, User>();
  #list: User[] | undefined;
  /** What we say of ourselves, and whether the server has been told. */
  #mine: State | undefined;
  #isSaid = false;

  constructor(
    readonly on: (callback: (users: User[]) => void) => Unsubscribe,
    readonly _tell: (users: User[]) => void,
    readonly _say: (state: State) => boolean,
  ) {}

  users(): User[] {
    return (this.#list ??= [...this.#present.values()]);
  }

  set(state: State): void {
    this.#mine = state;
    this._repeat(true);
  }

  /** There is a server that has not been told, or somebody looks at the page again. */
  _repeat(isNew: boolean): void {
    if (this.#mine && (isNew || !this.#isSaid)) this.#isSaid = this._say(this.#mine);
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
    this._tell(this.users());
  }
}
