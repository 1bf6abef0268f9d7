import { isBusy, WalcastError } from './error.js';
import type { Failure } from './error.js';
import type { Http } from './http.js';
import type { Listeners } from './listeners.js';
import { isNewer, isOlder, isSameHistory } from './offset.js';
import type { Room, Surroundings } from './room.js';
import type { Turns } from './turns.js';
import type { Offset } from './types.js';
import { eventOf } from './vocabulary.js';
import type { Writes } from './writes.js';

/** The server takes no more in a handshake. */
const MOST_ROOMS = 1_000;
/** So much may be asked of a new connection at once; the server takes twice as much. */
const AT_ONCE = 100;
/** No name of an event on the wire: there is a connection, and up to where was heard all over the one before. */
export const CONNECTED = ' connected';
/** And that there will be none. */
export const CLOSED = ' closed';

/** The way to the server. */
export interface Line {
  readonly _isPolling: boolean;
  /** Asks, over the connection that there is; whether there is one. */
  _emit(event: string, payload: object, ack?: (ack: any) => void): boolean;
  readonly _isHidden: boolean;
  /** There is something new to poll. */
  _poke(): void;
}

/**
 * All rooms, and up to where each has been told everything. A connection brings the events of its rooms in one order: so one
 * offset, `#heard`, says of all of them how far they are, but for those of which something is still to come.
 */
export class Rooms implements Surroundings {
  _session = 0;
  #writes: Writes | undefined;
  #turns: Turns | undefined;
  /** How much was asked over this connection. */
  #asked = 0;
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
    readonly _way: () => Line,
    readonly _http: Http,
    readonly _listeners: Listeners,
    readonly _grace: number,
    readonly _timeout: number,
  ) {}

  _load: Surroundings['_load'] = (...asked) => this._http._rows(...asked);

  /** A page that nobody looks at has nothing to say that nobody keeps. */
  _say(event: string, payload: object): void {
    const refused = (error?: Failure) => error && !isBusy(error) && this._listeners.emit('error', new WalcastError(error));
    if (!this._way()._isHidden) this._way()._emit(event, payload, ({ error }) => refused(error));
  }

  /** The room of a name; the same as long as anybody has it. */
  _room<R extends Room>(name: string[], make: () => R): R {
    const key = JSON.stringify(name);
    let room = this.#known.get(key)?.deref();
    if (!room) this.#known.set(key, new WeakRef((room = make())));
    return room as R;
  }

  _all(): Room[] {
    return [...this.#rooms];
  }

  /** What the handshake says of where we were. */
  _handshake(): { since?: Offset | undefined; rooms?: string[] } {
    this._session += 1;
    const rooms = this._all();
    const newest = this.#own;
    // Neither of two histories is the older, and one offset says of one: rooms of another begin anew.
    const told = newest ?? rooms.find(({ offset }) => offset)?.offset;
    const whole = rooms.filter(({ offset }) => offset && isSameHistory(offset, told!));
    const held = whole.slice(0, MOST_ROOMS);
    this.#held = new Set(held);
    for (const room of rooms) if (!this.#held.has(room)) room._lose();
    const since = held.reduce((oldest, { offset }) => (isOlder(oldest, offset) ? oldest : offset), newest);
    this.#isResuming = !!since;
    return { since, rooms: [...new Set(held.map(({ room }) => room))] };
  }

  _connected(): void {
    this.#asked = 0;
    for (const room of this.#held) {
      room._asked = this._session;
      // It was left since the handshake, and perhaps begun anew.
      if (!room.offset) {
        this.#held.delete(room);
        this.#leave(room);
      }
    }
    for (const room of this.#rooms) this.#subscribe(room);
    this._listeners.emit(CONNECTED, this.#own);
  }

  _disconnected(): void {
    const heard = this.#heard;
    for (const room of this.#rooms) {
      if (room._joined && heard && isNewer(heard, room.offset)) room.offset = heard;
      room._joined = false;
    }
    this.#own = heard ?? this.#own;
    this.#heard = undefined;
  }

  _take(event: string, payload: any): void {
    const at = event.lastIndexOf(':');
    const prefix = event.slice(0, at);
    const verb = event.slice(at + 1);
    if (event === 'walcast:resumed') return this.#resumed(payload);
    if (event === 'component:error') return this.#failed(payload);
    // Rooms are replayed from the one that is furthest behind, so some of it was told before.
    if (verb === 'resync' || !payload.offset || isNewer(payload.offset, this.#own)) this._listeners.emit(event, payload);
    const change = eventOf(prefix, verb, payload);
    if (verb === 'resync') this.#resync(prefix, payload);
    else if (change) for (const room of this.#rooms) room._prefix === prefix && room._take(change);
    else if (prefix === 'presence' || /^user-|typing|cursor/.test(verb)) {
      for (const room of this.#meant(prefix, payload)) room._hear(verb, payload);
    }
    // Of a resync others may be still to come, for other rooms: its offset says nothing of these.
    if (verb !== 'resync') this.#hears(payload.offset);
  }

  /** Many pages only read, so what it takes to write is loaded by those that do. */
  async _write(room: Room, verb: string, payload: object): Promise<any> {
    const { Writes } = await import('./writes.js');
    return (this.#writes ??= new Writes(this, this._timeout))._write(room, verb, payload);
  }

  _enlist(room: Room): void {
    clearTimeout(room._grace);
    this.#rooms.add(room);
    this.#subscribe(room);
    if (!room._joined) this._way()._poke();
  }

  _needed(room: Room): void {
    if (room._joined || this._way()._isPolling) room._start();
  }

  /** It is kept for a while, since who leaves a room often comes back in the same breath. */
  _unused(room: Room): void {
    room._grace = setTimeout(() => {
      this.#rooms.delete(room);
      this.#leave(room);
      room._stop();
    }, this._grace);
  }

  _close(): void {
    this._listeners.emit(CLOSED);
    for (const room of this.#rooms) {
      clearTimeout(room._grace);
      room._stop();
    }
    this.#rooms.clear();
  }

  #subscribe(room: Room): void {
    if (room._asked === this._session) return;
    const ack = ({ offset, users, error }: any) => {
      if (!this.#rooms.has(room)) return;
      if (!error) return room._enter(offset, users);
      room._asked = 0;
      room._refuse(new WalcastError(error));
    };
    if (this._ask(`${room._prefix}:subscribe`, room._ids, ack, () => this.#rooms.has(room))) room._asked = this._session;
  }

  #leave(room: Room): void {
    // Several may be views of one room of the server: an entity's, of several tables.
    const isShared = this._all().some((other) => other.room === room.room);
    if (!isShared && room._asked === this._session) this._way()._emit(`${room._prefix}:unsubscribe`, room._ids);
    room._asked = 0;
  }

  /** Asks over this connection, until the server is not too busy to answer. `payload` is what it is of. */
  _ask(event: string, payload: object, ack: (ack: any) => void, isWanted: () => boolean): boolean {
    const session = this._session;
    const ask = () =>
      session === this._session && isWanted() && this._way()._emit(event, payload, (answer) => {
        if (session !== this._session) return;
        if (isBusy(answer.error)) return void this.#wait(payload, ask, answer.error);
        ack(answer);
        this.#hears(answer.offset);
      });
    if (this.#asked++ < AT_ONCE) return ask();
    void this.#wait(payload, ask);
    return true;
  }

  /** Most pages are in few rooms, so what it takes to be in many is loaded by those that are. */
  async #wait(of: object, ask: () => void, failure?: Failure): Promise<void> {
    const { Turns } = await import('./turns.js');
    (this.#turns ??= new Turns())._add(of, ask, failure);
  }

  #hears(offset: Offset | undefined): void {
    if (offset && !this.#isResuming) this.#heard = offset;
  }

  #resumed({ offset, resumed }: { offset: Offset; resumed: boolean }): void {
    this.#isResuming = false;
    for (const room of this.#held) {
      if (!room.offset) continue;
      room._back();
      if (room._needsRows && !room._replica.rows && !room._replica._isFetching) room._start();
    }
    // Else the rooms of which something is missing are told by resync, and which they are is not known before.
    if (resumed) this.#hears(offset);
    else if (!isOlder(this.#own, offset)) this.#own = offset;
  }

  #resync(prefix: string, payload: any): void {
    const isOfARoom = ['id', 'entityId', 'userId', 'table'].some((name) => name in payload);
    for (const room of isOfARoom ? this.#meant(prefix, payload) : this.#rooms) room._resync(payload.reason, payload.offset);
  }

  #failed(payload: any): void {
    const [prefix, verb] = (payload.event ?? '').split(':');
    const error = new WalcastError(payload);
    for (const room of verb === 'subscribe' ? this.#meant(prefix, payload) : []) {
      this.#held.delete(room);
      room._joined = !!(room.offset = undefined);
      room._refuse(error);
    }
    this._listeners.emit('error', error);
  }

  /** The rooms that a payload names by its ids. */
  #meant(prefix: string, payload: any): Room[] {
    return this._all().filter((room) => room._isMeant(payload, prefix));
  }
}
