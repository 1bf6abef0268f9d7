import type { Presence, Unsubscribe, User } from './types.js';

/** Who is in a room, as the ack, comings and goings, states and rosters tell it. */
export class Company implements Presence {
  private present = new Map<string, User>();
  private list: User[] | undefined;
  /** What we say of ourselves, until a server has been told it. */
  private mine: { state: Record<string, unknown>; isSaid: boolean } | undefined;

  constructor(
    private readonly listen: (callback: (users: User[]) => void) => Unsubscribe,
    private readonly tell: (users: User[]) => void,
    private readonly say: (state: Record<string, unknown>) => boolean,
  ) {}

  users(): User[] {
    return (this.list ??= [...this.present.values()]);
  }

  set(state: Record<string, unknown>): void {
    this.mine = { state, isSaid: this.say(state) };
  }

  on(callback: (users: User[]) => void): Unsubscribe {
    return this.listen(callback);
  }

  /** There is a server to be told, or somebody looks at the page again. */
  repeat(isNew: boolean): void {
    if (this.mine && (isNew || !this.mine.isSaid)) this.mine.isSaid = this.say(this.mine.state);
  }

  roster(users: User[]): void {
    this.present = new Map(users.map((user) => [user.id, user]));
    this.changed();
  }

  take(verb: string, payload: { userId: string; userEmail: string | null; state?: User['state'] }): void {
    const { userId: id, userEmail: email, state } = payload;
    const known = this.present.get(id);
    if (verb === 'user-left') this.present.delete(id);
    else this.present.set(id, { id, email, since: known?.since ?? null, state: state ?? known?.state ?? null });
    this.changed();
  }

  private changed(): void {
    this.list = undefined;
    this.tell(this.users());
  }
}
