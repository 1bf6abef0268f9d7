import { Listeners } from './listeners.js';
import type { Answer, Pages } from './http.js';
import { isNewer } from './offset.js';
import { Company } from './presence.js';
import { Replica } from './replica.js';
import type { ChangeEvent, Handle, Offset, Row, Snapshot, Unsubscribe, User } from './types.js';

/** What a room needs of the client that it is in. */
export interface Surroundings {
  /** Counts connections. */
  readonly session: number;
  load(path: string, pages?: Pages): Promise<Answer>;
  /** Says something that may be lost; whether it was said. */
  say(event: string, payload: object): boolean;
  /** Asks the server to write; the ack. */
  write(room: Room, verb: string, payload: object): Promise<any>;
  /** Somebody began to use it, wants its rows, or nobody uses it any more. */
  enlist(room: Room): void;
  needed(room: Room): void;
  unused(room: Room): void;
}

/** No name of an event on the wire. */
const WATCHED = ' watched';

/** One room of the server, and what is known of it. It is the handle, too, that is given to whoever asks for it. */
export abstract class Room<T extends Row = any, D = unknown> implements Handle<T, D> {
  /** Everything up to here has been told; `undefined`: nothing was promised yet. */
  offset: Offset | undefined;
  joined = false;
  /** The connection over which it was subscribed to. */
  asked = 0;
  grace: ReturnType<typeof setTimeout> | undefined;
  readonly replica = new Replica(this);
  readonly presence = new Company(
    (callback) => this.on('presence', callback),
    (users) => this.listeners.emit('presence', users),
    (state) => this.joined && this.around.say('presence:update', { room: this.room, state }),
  );
  protected readonly listeners = new Listeners();
  #pages: Pages = new Map();
  /** Whether what is held may be of a time before we were let in. */
  #wasIn = false;
  #refusal: Error | undefined;
  #users = 0;
  #needs = 0;
  #snapshot: Snapshot<D> | undefined;
  #isTelling = false;

  constructor(
    readonly around: Surroundings,
    readonly prefix: string,
    /** As payloads name it. */
    readonly ids: Record<string, string>,
    readonly room: string,
    readonly path: string,
  ) {}

  abstract idOf(row: Row): string;
  /** What a list of all rows is to whoever asks. */
  abstract dataOf(rows: T[]): D;
  /** Whether a payload names it by its ids; `prefix` is that of the event. */
  abstract isMeant(payload: any, prefix: string): boolean;
  abstract concerns(event: ChangeEvent<any>): boolean;
  /** Whether one must know the rows to know of an event whose it is. */
  abstract isOfMany: boolean;

  on(event: string, callback: (payload: any) => void): Unsubscribe {
    const off = this.listeners.on(event, callback);
    const leave = this.#use(event === WATCHED || (this.isOfMany && /ed$/.test(event)));
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

  async fetch(): Promise<{ data: D; offset: Offset | undefined }> {
    const { rows, offset } = await this.around.load(this.path);
    return { data: this.dataOf(rows as T[]), offset };
  }

  get state(): Snapshot<D> {
    const { rows, error = this.#refusal, isFetching } = this.replica;
    return (this.#snapshot ??= {
      data: rows && this.dataOf([...rows.values()] as T[]),
      fresh: !!rows && !isFetching,
      ...(error && { error }),
    });
  }

  get needsRows(): boolean {
    return this.#needs > 0;
  }

  get isUsed(): boolean {
    return this.#users > 0;
  }

  load(): Promise<Answer> {
    return this.around.load(this.path, this.#pages);
  }

  /** The server lets us in: everything after `offset` is told. */
  enter(offset: Offset, users: User[]): void {
    const isBack = this.#wasIn;
    this.presence.roster(users);
    this.back();
    if (isBack) this.resync('history gap', offset);
    else this.start(offset);
  }

  /** We are in it, also where the handshake has let us in again. */
  back(): void {
    this.joined = this.#wasIn = true;
    this.asked = this.around.session;
    this.refuse(undefined);
    this.presence.repeat(true);
  }

  refuse(error: Error | undefined): void {
    this.#refusal = error;
    if (error) this.listeners.emit('error', error);
    this.changed();
  }

  resync(reason: string, offset: Offset | undefined): void {
    this.resynced(reason);
    this.start(offset);
  }

  resynced(reason: string): void {
    this.listeners.emit('resync', { type: 'resync', reason });
  }

  /** Fetches, if anybody wants the rows. */
  start(offset = this.offset): void {
    this.offset = offset;
    if (this.needsRows) void this.replica.refill(offset);
    else this.replica.stop();
  }

  take(event: ChangeEvent<any>): void {
    const { offset } = event;
    if (!this.offset || (offset && !isNewer(offset, this.offset)) || !this.concerns(event)) return;
    this.offset = offset ?? this.offset;
    // Before the first rows are there nobody knows whose event it is; then the replica tells it.
    const isKnown = this.replica.rows || !this.replica.isFetching;
    this.replica.take(event);
    if (isKnown) this.tell(event);
  }

  /** What is said in it that nobody keeps. */
  hear(verb: string, payload: any): void {
    if (verb === 'roster') this.presence.roster(payload.users);
    else if (/^(typing|cursor)$/.test(verb)) {
      this.listeners.emit(verb, { ...payload, componentId: payload[`${this.prefix}Id`] ?? payload.id });
    } else this.presence.take(verb, payload);
  }

  /** Nothing of it is kept up any more. */
  stop(): void {
    this.replica.stop();
    this.presence.roster([]);
    this.joined = this.#wasIn = false;
    this.offset = undefined;
    this.changed();
  }

  tell(event: ChangeEvent<any>): void {
    this.listeners.emit(event.type, event);
    this.listeners.emit('changed', event);
  }

  changed(): void {
    this.#snapshot = undefined;
    if (this.#isTelling) return;
    this.#isTelling = true;
    queueMicrotask(() => {
      this.#isTelling = false;
      this.listeners.emit(WATCHED, this.state);
    });
  }

  /** Stays in the room until it is called off, which counts once. */
  #use(needsRows: boolean): Unsubscribe {
    if (needsRows && !this.#needs++) this.around.needed(this);
    if (!this.#users++) this.around.enlist(this);
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      if (needsRows) this.#needs--;
      if (!--this.#users) this.around.unused(this);
    };
  }
}
