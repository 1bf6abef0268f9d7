import type { Client, EntityHandle, Id, User } from 'walcast-client';
import { Changing } from './changing';
import { freeColour } from './person';

export interface Somebody {
  name: string;
  colour: string;
  /** What they look at: a component, and perhaps a field of it. */
  componentId: string | undefined;
  field: string | undefined;
}

const TYPING_MS = 4_000;
const TYPING_EVERY_MS = 1_000;

/** Who else is here, where they look, and what they are at. */
export class Company extends Changing {
  colour: string | undefined;
  #typing = new Map<string, string | undefined>();
  #clocks = new Map<string, ReturnType<typeof setTimeout>>();
  #at: Partial<Somebody> = {};
  #typedAt = -TYPING_EVERY_MS;

  constructor(readonly client: Client, readonly room: EntityHandle, readonly me: string) {
    super();
    client.onStatus(() => this.changed());
    room.presence.on((users) => this.#roster(users));
    room.on('typing', ({ userId, componentId }) => {
      this.#typing.set(userId, componentId);
      clearTimeout(this.#clocks.get(userId));
      this.#clocks.set(userId, setTimeout(() => this.#rest(userId), TYPING_MS));
      this.changed();
    });
  }

  /** Nobody, where we are not connected: then we do not know. */
  get others(): Somebody[] {
    if (this.client.status !== 'live') return [];
    return this.room.presence.users().filter(({ id }) => id !== this.me).map(({ id, state }) => ({
      name: id,
      colour: String(state?.colour ?? '#55636f'),
      componentId: state?.componentId as string | undefined,
      field: state?.field as string | undefined,
    }));
  }

  typingIn(componentId: string): Somebody[] {
    return this.others.filter(({ name }) => this.#typing.get(name) === componentId);
  }

  /** We look at this. */
  lookAt(componentId: string | undefined, field?: string): void {
    if (this.#at.componentId === componentId && this.#at.field === field) return;
    this.#at = { componentId, field };
    this.#say();
  }

  type(componentId: Id): void {
    const now = performance.now();
    if (now - this.#typedAt < TYPING_EVERY_MS) return;
    this.#typedAt = now;
    this.room.typing(componentId);
  }

  #roster(users: User[]): void {
    if (!this.colour && users.length) {
      this.colour = freeColour(this.me, users.filter(({ id }) => id !== this.me).map(({ state }) => state?.colour));
      this.#say();
    }
    this.changed();
  }

  #say(): void {
    if (this.colour) void this.room.presence.set({ colour: this.colour, ...this.#at });
    this.changed();
  }

  #rest(name: string): void {
    this.#typing.delete(name);
    this.changed();
  }
}
