import { isBusy, WalcastError } from './error.js';
import type { Answer, Pages } from './http.js';
import type { Listeners } from './listeners.js';
import { isNewer, isOlder, isSameHistory } from './offset.js';
import type { Room, Surroundings } from './room.js';
import type { Offset } from './types.js';
import { eventOf, ownWrite } from './vocabulary.js';
import type { Writes } from './writes.js';

/** The server takes no more in a handshake. */
const MOST_ROOMS = 1_000;
const PAUSE_MS = 1_000;
/** No name of an event on the wire: there is a connection, and up to where was heard all over the one before. */
export const CONNECTED = ' connected';

/** The way to the server. */
export interface Line {
  readonly isPolling: boolean;
  /** Asks, over the connection that there is; whether there is one. */
  emit(event: string, payload: object, ack?: (ack: any) => void): boolean;
  /** Says what may be lost; whether it was said. */
  say(event: string, payload: object): boolean;
  /** There is something new to poll. */
  poke(): void;
}

/**
 * All rooms, and up to where each has been told everything. A connection brings the events of its rooms in one order: so one
 * offset, `#heard`, says of all of them how far they are, but for those of which something is still to come.
 */
export class Rooms implements Surroundings {
  session = 0;
  #known = new Map<string, WeakRef<Room>>();
  /** Those that somebody uses, or did a moment ago. */
  #rooms = new Set<Room>();
  /** Those that the handshake named. */
  #held = new Set<Room>();
  /** Until the server has said how it resumes, what comes says nothing of rooms that it is not of. */
  #isResuming = false;
  /** The latest offset of this connection. */
  #heard: Offset | undefined;
  /** Up to where we have what is of no room of ours: broadcasts to the user, tables that are followed. */
  #own: Offset | undefined;

  constructor(
    readonly way: () => Line,
    readonly load: (path: string, pages?: Pages) => Promise<Answer>,
    readonly writes: Writes,
    readonly listeners: Listeners,
    readonly grace: number,
  ) {}

  /** The room of a name; the same as long as anybody has it. */
  room<R extends Room>(name: string, make: () => R): R {
    let room = this.#known.get(name)?.deref();
    if (!room) this.#known.set(name, new WeakRef((room = make())));
    return room as R;
  }

  all(): Room[] {
    return [...this.#rooms];
  }

  /** What the handshake says of where we were. */
  handshake(): { since?: Offset | undefined; rooms?: string[] } {
    this.session += 1;
    const rooms = this.all();
    const newest = this.#own;
    const whole = rooms.filter(({ offset }) => offset && (!newest || isSameHistory(offset, newest)));
    this.#held = new Set(whole.slice(0, MOST_ROOMS));
    for (const room of rooms) if (!this.#held.has(room)) room.offset = undefined;
    const held = [...this.#held];
    const since = held.reduce((oldest, { offset }) => (isOlder(oldest, offset) ? oldest : offset), newest);
    this.#isResuming = !!since;
    return { since, rooms: [...new Set(held.map(({ room }) => room))] };
  }

  connected(): void {
    for (const room of this.#held) {
      room.asked = this.session;
      if (!this.#rooms.has(room)) this.#leave(room);
    }
    for (const room of this.#rooms) this.#subscribe(room);
    this.listeners.emit(CONNECTED, this.#own);
    this.writes.resend();
  }

  disconnected(): void {
    const heard = this.#heard;
    for (const room of this.#rooms) {
      if (room.joined && heard && isNewer(heard, room.offset)) room.offset = heard;
      room.joined = false;
    }
    this.#own = heard ?? this.#own;
    this.#heard = undefined;
  }

  take(event: string, payload: any): void {
    const at = event.lastIndexOf(':');
    const prefix = event.slice(0, at);
    const verb = event.slice(at + 1);
    if (event === 'walcast:resumed') return this.#resumed(payload);
    if (event === 'component:error') return this.#failed(payload);
    // Rooms are replayed from the one that is furthest behind, so some of it was told before.
    if (verb === 'resync' || !payload.offset || isNewer(payload.offset, this.#own)) this.listeners.emit(event, payload);
    const change = eventOf(prefix, verb, payload);
    if (verb === 'resync') this.#resync(prefix, payload);
    else if (change) for (const room of this.#rooms) room.prefix === prefix && room.take(change);
    else if (prefix === 'presence' || /^(user-|typing$|cursor$)/.test(verb)) {
      for (const room of this.#meant(prefix, payload)) room.hear(verb, payload);
    }
    // Of a resync others may be still to come, for other rooms: its offset says nothing of these.
    if (verb !== 'resync') this.#hears(payload.offset);
  }

  async write({ prefix }: Room, verb: string, payload: any): Promise<any> {
    const ack = await this.writes.ask(`${prefix}:${verb}`, payload);
    if (/update|nested/.test(verb)) {
      const events = ownWrite(verb, payload.id, payload, ack);
      for (const room of this.#rooms) if (room.prefix === prefix) room.replica.wrote(events);
    }
    return ack;
  }

  say(event: string, payload: object): boolean {
    return this.way().say(event, payload);
  }

  enlist(room: Room): void {
    clearTimeout(room.grace);
    this.#rooms.add(room);
    this.#subscribe(room);
    if (!room.joined) this.way().poke();
  }

  needed(room: Room): void {
    if (room.joined || this.way().isPolling) room.start();
  }

  /** It is kept for a while, since who leaves a room often comes back in the same breath. */
  unused(room: Room): void {
    room.grace = setTimeout(() => {
      this.#rooms.delete(room);
      this.#leave(room);
      room.stop();
    }, this.grace);
  }

  close(): void {
    for (const room of this.#rooms) {
      clearTimeout(room.grace);
      room.stop();
    }
    this.#rooms.clear();
  }

  #subscribe(room: Room): void {
    if (room.asked === this.session) return;
    const ack = ({ offset, users, error }: any) => {
      if (!this.#rooms.has(room)) return;
      if (!error) return room.enter(offset, users);
      room.asked = 0;
      room.refuse(new WalcastError(error));
    };
    if (this.ask(`${room.prefix}:subscribe`, room.ids, ack, () => this.#rooms.has(room))) room.asked = this.session;
  }

  #leave(room: Room): void {
    // Several may be views of one room of the server: an entity's, of several tables.
    const isShared = this.all().some((other) => other.room === room.room);
    if (!isShared && room.asked === this.session) this.way().emit(`${room.prefix}:unsubscribe`, room.ids);
    room.asked = 0;
  }

  /** Asks over this connection, until the server is not too busy to answer. */
  ask(event: string, payload: object, ack: (ack: any) => void = () => {}, isWanted = () => true): boolean {
    const { session } = this;
    return this.way().emit(event, payload, (answer) => {
      if (session !== this.session) return;
      const { error } = answer;
      const again = () => session === this.session && isWanted() && this.ask(event, payload, ack, isWanted);
      if (isBusy(error)) return void setTimeout(again, error.retryAfterMs ?? PAUSE_MS);
      ack(answer);
      this.#hears(answer.offset);
    });
  }

  #hears(offset: Offset | undefined): void {
    if (offset && !this.#isResuming) this.#heard = offset;
  }

  #resumed({ offset, resumed }: { offset: Offset; resumed: boolean }): void {
    this.#isResuming = false;
    for (const room of this.#held) {
      room.back();
      if (room.needsRows && !room.replica.rows && !room.replica.isFetching) room.start();
    }
    // Else the rooms of which something is missing are told by resync, and which they are is not known before.
    if (resumed) this.#hears(offset);
    else if (!isOlder(this.#own, offset)) this.#own = offset;
  }

  #resync(prefix: string, payload: any): void {
    const isOfARoom = ['id', 'entityId', 'userId', 'table'].some((name) => name in payload);
    for (const room of isOfARoom ? this.#meant(prefix, payload) : this.#rooms) room.resync(payload.reason, payload.offset);
  }

  #failed(payload: any): void {
    const [prefix, verb] = (payload.event ?? '').split(':');
    const error = new WalcastError(payload);
    for (const room of verb === 'subscribe' ? this.#meant(prefix, payload) : []) {
      this.#held.delete(room);
      room.joined = !!(room.offset = undefined);
      room.refuse(error);
    }
    this.listeners.emit('error', error);
  }

  /** The rooms that a payload names by its ids. */
  #meant(prefix: string, payload: any): Room[] {
    return this.all().filter((room) => room.isMeant(payload, prefix));
  }
}
