import { Listeners } from './listeners.js';
import type { Answer, Reply } from './http.js';
import { isNewer } from './offset.js';
import { Company } from './presence.js';
import type { Line } from './rooms.js';
import { Replica } from './replica.js';
import type { ChangeEvent, Handle, Id, Offset, Row, Snapshot, Unsubscribe, User } from './types.js';

/** What a room needs of the client that it is in. */
export interface Surroundings {
  /** Counts connections. */
  readonly _session: number;
  _load(path: string, ask?: (address: string) => Promise<Reply>): Promise<Answer>;
  _way(): Line;
  /** Says something that may be lost. */
  _say(event: string, payload: object): void;
  /** Asks, if there is a connection, until there is an answer over it or it is not wanted any more. */
  _ask(event: string, payload: object, ack: (answer: any) => void, isWanted: () => boolean): boolean;
  /** Asks the server to write; the ack. */
  _write(room: Room, verb: string, payload: object): Promise<any>;
  /** Somebody began to use it, wants its rows, or nobody uses it any more. */
  _enlist(room: Room): void;
  _needed(room: Room): void;
  _unused(room: Room): void;
}

/** No name of an event on the wire. */
const WATCHED = ' watched';

/** One room of the server, and what is known of it. It is the handle, too, that is given to whoever asks for it. */
export abstract class Room<T extends Row = any, D = unknown> implements Handle<T, D> {
  /** Everything up to here has been told; `undefined`: nothing was promised yet. */
  offset: Offset | undefined;
  _joined = false;
  /** The connection over which it was subscribed to. */
  _asked = 0;
  _grace: ReturnType<typeof setTimeout> | undefined;
  /** Whether a change was found by polling already; not there until something was. */
  _isPolled: ((event: ChangeEvent<any>) => boolean) | undefined;
  readonly _replica = new Replica(this);
  readonly presence = new Company(this);
  readonly _listeners = new Listeners();
  /** Whether what is held may be of a time before we were let in. */
  #wasIn = false;
  #refusal: Error | undefined;
  #users = 0;
  #needs = 0;
  #snapshot: Snapshot<D> | undefined;
  #isTelling = false;

  constructor(
    readonly _around: Surroundings,
    readonly _prefix: string,
    /** As payloads name it. */
    readonly _ids: Record<string, string>,
    readonly room: string,
    readonly _path: string,
  ) {
    Object.assign(this, _ids);
  }

  abstract _idOf(row: Row): string;
  /** What a list of all rows is to whoever asks. */
  abstract _dataOf(rows: T[]): D;
  /** Whether a payload names it by its ids; `prefix` is that of the event. */
  abstract _isMeant(payload: any, prefix: string): boolean;
  abstract _concerns(event: ChangeEvent<any>): boolean;
  /** Whether one must know the rows to know of an event whose it is. */
  abstract _isOfMany: boolean;

  on(event: string, callback: (payload: any) => void): Unsubscribe {
    const off = this._listeners.on(event, callback);
    const leave = this.#use(event === WATCHED || (this._isOfMany && /ed$/.test(event)));
    return () => {
      off();
      leave();
    };
  }

  watch(callback: (state: Snapshot<D>) => void): Unsubscribe {
    return this.on(WATCHED, callback);
  }

  subscribe(): Unsubscribe {
    return this.#use(false);
  }

  typing(id?: Id): void {
    this._around._say(`${this._prefix}:typing`, { id, ...this._ids });
  }

  cursor(position: unknown, id?: Id): void {
    this._around._say(`${this._prefix}:cursor`, { id, position, ...this._ids });
  }

  async fetch(): Promise<{ data: D; offset: Offset | undefined }> {
    const { rows, offset } = await this._load();
    return { data: this._dataOf(rows as T[]), offset };
  }

  get state(): Snapshot<D> {
    const { rows, error = this.#refusal, _isFetching } = this._replica;
    return (this.#snapshot ??= {
      data: rows && this._dataOf([...rows.values()] as T[]),
      fresh: !!rows && !_isFetching,
      error,
    });
  }

  get _needsRows(): boolean {
    return this.#needs > 0;
  }

  _load(ask?: (address: string) => Promise<Reply>): Promise<Answer> {
    return this._around._load(this._path, ask);
  }

  /** The server lets us in: everything after `offset` is told. */
  _enter(offset: Offset, users: User[]): void {
    const isBack = this.#wasIn;
    this.presence._roster(users);
    this._back();
    if (isBack) this._resync('history gap', offset);
    else this._start(offset);
  }

  /** It does not go on from where it is. Who holds something of it is told once the server lets us in. */
  _lose(): void {
    this.#wasIn ||= !!this.offset;
    this.offset = undefined;
  }

  /** We are in it, also where the handshake has let us in again. */
  _back(): void {
    this._joined = this.#wasIn = true;
    this._asked = this._around._session;
    this._refuse(undefined);
    this.presence._repeat(true);
  }

  _refuse(error: Error | undefined): void {
    this.#refusal = error;
    if (error) this._listeners.emit('error', error);
    this._changed();
  }

  _resync(reason: string, offset: Offset | undefined): void {
    this._listeners.emit('resync', { type: 'resync', reason });
    this._start(offset);
  }

  /** Fetches, if anybody wants the rows. */
  _start(offset = this.offset): void {
    this.offset = offset;
    if (this._needsRows) void this._replica._refill(offset);
    else this._replica._stop();
  }

  _take(event: ChangeEvent<any>): void {
    const { offset } = event;
    if (!this.offset || (offset && !isNewer(offset, this.offset)) || !this._concerns(event)) return;
    this.offset = offset ?? this.offset;
    // Before the first rows are there nobody knows whose event it is; then the replica tells it.
    const isKnown = this._replica.rows || !this._replica._isFetching;
    this._replica._take(event);
    if (isKnown && !this._isPolled?.(event)) this._tell(event);
  }

  /** What is said in it that nobody keeps. */
  _hear(verb: string, payload: any): void {
    if (verb === 'roster') this.presence._roster(payload.users);
    else if (/typing|cursor/.test(verb)) {
      this._listeners.emit(verb, { ...payload, componentId: payload[`${this._prefix}Id`] ?? payload.id });
    } else this.presence._take(verb, payload);
  }

  /** Nothing of it is kept up any more. */
  _stop(): void {
    this._replica._stop();
    this.presence._roster([]);
    this._joined = this.#wasIn = false;
    this.offset = undefined;
    this._changed();
  }

  _tell(event: ChangeEvent<any>): void {
    this._listeners.emit(event.type, event);
    this._listeners.emit('changed', event);
  }

  _changed(): void {
    this.#snapshot = undefined;
    if (this.#isTelling) return;
    this.#isTelling = true;
    queueMicrotask(() => {
      this.#isTelling = false;
      this._listeners.emit(WATCHED, this.state);
    });
  }

  /** Stays in the room until it is called off, which counts once. */
  #use(needsRows: boolean): Unsubscribe {
    if (needsRows && !this.#needs++) this._around._needed(this);
    if (!this.#users++) this._around._enlist(this);
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      if (needsRows) this.#needs--;
      if (!--this.#users) this._around._unused(this);
    };
  }
}
