import { WalcastError } from './error.js';
import { Follows } from './follows.js';
import type { Http } from './http.js';
import type { Listeners } from './listeners.js';
import { isNewer, isOlder, isSameHistory } from './offset.js';
import type { OwnWrite } from './replica.js';
import { Room } from './room.js';
import type { Ids, Surroundings } from './room.js';
import type { Offset } from './types.js';
import { eventOf } from './vocabulary.js';

/** The server takes no more in a handshake. */
const MOST_ROOMS = 1_000;
const PAUSE_MS = 1_000;

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
 * offset, `heard`, says of all of them how far they are, but for those of which something is still to come.
 */
export class Rooms implements Surroundings {
  readonly follows: Follows;
  private readonly rooms = new Map<string, Room>();
  /** The rooms that the handshake named. */
  private held = new Set<Room>();
  /** Until the server has said how it resumes, what comes says nothing of rooms that it is not of. */
  private isResuming = false;
  /** The latest offset of this connection. */
  private heard: Offset | undefined;
  /** Up to where we have what is of no room of ours: broadcasts to the user, tables that are followed. */
  private own: Offset | undefined;
  /** Counts connections, so that what an old one answers is known to be old. */
  session = 0;

  constructor(
    readonly http: Http,
    private readonly way: () => Line,
    private readonly listeners: Listeners,
    private readonly grace: number,
  ) {
    this.follows = new Follows((event, payload, ack) => this.ask(event, payload, ack));
  }

  private get line(): Line {
    return this.way();
  }

  room(prefix: string, ids: Ids, row?: string, key?: (row: any) => string): Room {
    const name = `${prefix} ${row ?? new URLSearchParams(ids)}`;
    let room = this.rooms.get(name);
    if (!room) {
      this.rooms.set(name, (room = new Room(name, prefix, ids, row, this, key)));
      this.unused(room);
    }
    return room;
  }

  used(): Room[] {
    return [...this.rooms.values()].filter((room) => room.isUsed);
  }

  /** What the handshake says of where we were. */
  handshake(): { since?: Offset; rooms?: string[] } {
    this.session += 1;
    const newest = this.own;
    const rooms = this.used();
    const whole = rooms.filter(({ offset }) => offset && (!newest || isSameHistory(offset, newest)));
    this.held = new Set(whole.slice(0, MOST_ROOMS));
    for (const room of rooms) if (!this.held.has(room)) room.offset = undefined;
    const since = [...this.held].reduce((oldest, { offset }) => (isOlder(oldest, offset) ? oldest : offset), newest);
    this.isResuming = since !== undefined;
    return since === undefined ? {} : { since, rooms: [...new Set([...this.held].map(({ name }) => name))] };
  }

  connected(): void {
    for (const room of this.held) if (!room.isUsed) this.leave(room);
    for (const room of this.used()) if (!this.held.has(room)) this.subscribe(room);
    this.follows.connected(this.own);
  }

  disconnected(): void {
    const { heard } = this;
    for (const room of this.rooms.values()) {
      if (room.joined && heard && isNewer(heard, room.offset)) room.offset = heard;
      room.joined = false;
    }
    this.own = heard ?? this.own;
    this.heard = undefined;
  }

  take(event: string, payload: any): void {
    const at = event.lastIndexOf(':');
    const prefix = event.slice(0, at);
    const verb = event.slice(at + 1);
    if (event === 'walcast:resumed') return this.resumed(payload);
    if (event === 'component:error') return this.failed(payload);
    // Rooms are replayed from the one that is furthest behind, so some of it was told before.
    if (!payload.offset || isNewer(payload.offset, this.own)) this.listeners.emit(event, payload);
    if (prefix === 'changes') this.follows.take(verb, payload);
    // Other rooms may be meant by one that is still to come: its offset says nothing.
    if (verb === 'resync') return this.resync(prefix, payload);

    const change = eventOf(prefix, verb, payload);
    if (change) {
      for (const room of this.rooms.values()) if (room.prefix === prefix) room.take(change);
    } else if (prefix === 'presence' || /^(user-joined|user-left|typing|cursor)$/.test(verb)) {
      for (const room of this.meant(prefix, payload)) room.company(verb, payload);
    }
    this.hears(payload.offset);
  }

  /** A write of ours was carried out, of which no event tells us. */
  wrote(prefix: string, write: OwnWrite): void {
    for (const room of this.rooms.values()) if (room.prefix === prefix) room.replica.wrote(write);
  }

  repeatPresence(): void {
    for (const room of this.used()) room.presence.repeat(false);
  }

  say(event: string, payload: object): boolean {
    return this.line.say(event, payload);
  }

  enlist(room: Room): void {
    clearTimeout(room.grace);
    if (room.joined) return;
    this.subscribe(room);
    this.line.poke();
  }

  needed(room: Room): void {
    if (room.joined || this.line.isPolling) room.start();
  }

  /** It is kept for a while, since who leaves a room often comes back in the same breath. */
  unused(room: Room): void {
    clearTimeout(room.grace);
    room.grace = setTimeout(() => {
      this.rooms.delete(room.key);
      this.leave(room);
      room.stop();
    }, this.grace);
  }

  close(): void {
    for (const room of this.rooms.values()) {
      clearTimeout(room.grace);
      room.stop();
    }
    this.rooms.clear();
  }

  private subscribe(room: Room): void {
    const { session } = this;
    if (room.asked === session) return;
    const isAsked = this.ask(`${room.prefix}:subscribe`, room.ids, ({ offset, users, error }) => {
      if (this.rooms.get(room.key) !== room) return;
      if (!error) return room.enter(offset, users);
      room.asked = 0;
      room.refused(new WalcastError(error.code, `${room.name}: ${error.message}`));
      const isBusy = error.code === 'unavailable' || error.code === 'rate_limited';
      if (isBusy) setTimeout(() => session === this.session && room.isUsed && this.subscribe(room), error.retryAfterMs ?? PAUSE_MS);
    });
    if (isAsked) room.asked = session;
  }

  private leave(room: Room): void {
    // Several may be views of one room of the server: an entity's, of several tables.
    const isShared = this.used().some((other) => other !== room && other.name === room.name);
    if (!isShared && room.asked === this.session) this.line.emit(`${room.prefix}:unsubscribe`, room.ids);
  }

  private ask(event: string, payload: object, ack: (ack: any) => void): boolean {
    const { session } = this;
    return this.line.emit(event, payload, (answer) => {
      if (session !== this.session) return;
      ack(answer);
      this.hears(answer.offset);
    });
  }

  private hears(offset: Offset | undefined): void {
    if (offset && !this.isResuming) this.heard = offset;
  }

  private resumed({ offset, resumed }: { offset: Offset; resumed: boolean }): void {
    this.isResuming = false;
    for (const room of this.held) if (room.isUsed) room.resumed();
    // Else the rooms of which something is missing are told by resync, and which they are is not known before.
    if (resumed) this.hears(offset);
    else if (!isOlder(this.own, offset)) this.own = offset;
  }

  private resync(prefix: string, payload: any): void {
    if (prefix === 'changes') return;
    if (payload.userId !== undefined) return this.listeners.emit('resync', payload);
    const isOfARoom = ['id', 'entityId', `${prefix}Id`].some((name) => name in payload);
    for (const room of isOfARoom ? this.meant(prefix, payload) : this.used()) room.resync(payload.reason, payload.offset);
  }

  private failed(payload: any): void {
    const { event = '', code, message } = payload;
    const error = new WalcastError(code, message);
    const rooms = event.endsWith(':subscribe') ? this.meant(event.slice(0, -10), payload) : [];
    for (const room of rooms) {
      this.held.delete(room);
      room.joined = false;
      room.offset = undefined;
      room.refused(error);
    }
    this.listeners.emit('error', error);
  }

  /** The rooms that a payload names by its ids. */
  private meant(prefix: string, payload: any): Room[] {
    return this.used().filter((room) => {
      const { entityType, entityId } = room.ids;
      if (room.row === undefined) return payload.entityType === entityType && payload.entityId === entityId;
      return String(payload[`${room.prefix}Id`] ?? (room.prefix === prefix ? payload.id : undefined)) === room.row;
    });
  }
}
