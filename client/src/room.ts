import type { Answer, Http, Pages } from './http.js';
import { isNewer, isOlder } from './offset.js';
import { Company } from './presence.js';
import { Listeners } from './listeners.js';
import { Replica } from './replica.js';
import type { ChangeEvent, Offset, Row, Snapshot, Unsubscribe, User } from './types.js';

export type Ids = Record<string, string>;

/** What a room needs of the client that it is in. */
export interface Surroundings {
  readonly http: Http;
  readonly session: number;
  /** Says something that may be lost; whether it went out. */
  say(event: string, payload: object): boolean;
  /** Somebody began to use it, wants its rows, or nobody uses it any more. */
  enlist(room: Room): void;
  needed(room: Room): void;
  unused(room: Room): void;
}

const WATCHED = 'watched';
/** What a listener to an entity can only be told by whoever knows its rows: most events do not say whose they are. */
const OF_ROWS = new Set(['changed', 'created', 'updated', 'deleted', 'nested-created', 'nested-updated', 'nested-deleted']);

/** One room of the server, shared by all handles of it. */
export class Room {
  readonly name: string;
  readonly listeners = new Listeners();
  readonly presence: Company;
  readonly replica: Replica;
  private readonly pages: Pages = new Map();
  private readonly path: string;
  /** Everything up to here has been told; `undefined`: nothing was promised yet. */
  offset: Offset | undefined;
  joined = false;
  /** The connection over which it was subscribed to. */
  asked = 0;
  grace: ReturnType<typeof setTimeout> | undefined;
  /** Whether what is held may be of a time before we were let in. */
  private wasIn = false;
  /** Why the server does not let us in. */
  refusal: Error | undefined;
  private users = 0;
  private needs = 0;
  private snapshot: Snapshot<any> | undefined;
  private isTelling = false;

  constructor(
    /** Its name among ours; the server's is `name`. */
    readonly key: string,
    readonly prefix: string,
    /** As payloads name it. */
    readonly ids: Ids,
    readonly row: string | undefined,
    private readonly around: Surroundings,
    idOf: ((row: any) => string) | undefined,
  ) {
    this.name = row === undefined ? `entity:${ids['entityType']}:${ids['entityId']}` : `${prefix}:${row}`;
    this.path = row === undefined ? `${prefix}?limit=500&${new URLSearchParams(ids)}` : `${prefix}/${encodeURIComponent(row)}`;
    this.replica = new Replica(
      () => this.fetch(this.pages),
      row === undefined ? (idOf ?? ((each: Row) => String(each.id))) : () => row,
      (event) => this.tell(event),
      () => this.changed(),
    );
    this.presence = new Company(
      (callback) => this.on('presence', callback),
      (users) => this.listeners.emit('presence', users),
      (state) => this.joined && around.say('presence:update', { room: this.name, state }),
    );
  }

  on(event: string, callback: (payload: any) => void): Unsubscribe {
    const off = this.listeners.on(event, callback);
    const leave = this.use(event === WATCHED || (this.row === undefined && OF_ROWS.has(event)));
    return () => {
      off();
      leave();
    };
  }

  watch(callback: (state: Snapshot<any>) => void): Unsubscribe {
    return this.on(WATCHED, callback);
  }

  /** Stays in the room until it is called off, which counts once. */
  use(needsRows = false): Unsubscribe {
    if (needsRows && !this.needs++) this.around.needed(this);
    if (!this.users++) this.around.enlist(this);
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      if (needsRows) this.needs--;
      if (!--this.users) this.around.unused(this);
    };
  }

  get isUsed(): boolean {
    return this.users > 0;
  }

  get needsRows(): boolean {
    return this.needs > 0;
  }

  get state(): Snapshot<any> {
    if (this.snapshot) return this.snapshot;
    const { rows, error = this.refusal, isFetching } = this.replica;
    const list = rows && [...rows.values()];
    const data = this.row === undefined ? list : list && (list[0] ?? null);
    return (this.snapshot = { data, fresh: !!rows && !isFetching, ...(error && { error }) });
  }

  /** The server lets us in: everything after `offset` is told. */
  enter(offset: Offset, users: User[] = []): void {
    const isBack = this.wasIn;
    this.joined = this.wasIn = true;
    this.refusal = undefined;
    this.presence.roster(users);
    this.presence.repeat(true);
    if (isBack) this.resync('history gap', offset);
    else this.start(offset);
  }

  /** The server has let us in again by the handshake, and sent what we missed. */
  resumed(): void {
    this.joined = true;
    this.asked = this.around.session;
    this.refusal = undefined;
    this.presence.repeat(true);
    if (this.needsRows && !this.replica.rows && !this.replica.isFetching) this.start();
  }

  refused(error: Error): void {
    this.refusal = error;
    this.changed();
  }

  resync(reason: string, offset: Offset | undefined): void {
    this.listeners.emit('resync', { type: 'resync', reason });
    this.start(offset ?? this.offset);
  }

  /** Fetches, if anybody wants the rows. */
  start(offset = this.offset): void {
    this.offset = offset;
    if (this.needsRows) void this.replica.refill(offset);
    else this.replica.rows = undefined;
  }

  take(event: ChangeEvent<any>): void {
    const { offset } = event;
    if (!this.offset || (offset && !isNewer(offset, this.offset))) return;
    if (!this.concerns(event)) return;
    if (offset) this.offset = offset;
    const { rows, isFetching } = this.replica;
    // A row that moved to another entity is still the row; one that became a nested component is none any more.
    if (this.row !== undefined && event.type === 'deleted' && event.reason === 'moved') return this.start();
    this.replica.take(event);
    // Before the first rows are there nobody knows whose event it is; then the replica tells it.
    if (rows || !isFetching) this.tell(event);
    if (event.type === 'deleted' && event.reason === 'no longer visible' && this.row !== undefined) {
      // The server has taken us out of it.
      this.joined = false;
      this.offset = undefined;
    }
  }

  /** What is said in it that nobody keeps. */
  company(verb: string, payload: any): void {
    if (verb === 'roster') this.presence.roster(payload.users);
    else if (verb === 'typing' || verb === 'cursor') this.listeners.emit(verb, payload);
    else this.presence.take(verb, payload);
  }

  fetch(pages?: Pages): Promise<Answer> {
    return this.around.http.rows(this.path, pages);
  }

  poll(): Promise<Answer> {
    return this.fetch(this.pages);
  }

  polled(answer: Answer): void {
    const { offset } = answer;
    if (isOlder(offset, this.offset)) return;
    this.offset = offset;
    const events = this.replica.polled(answer);
    if (events) for (const event of events) this.tell(event);
    else this.listeners.emit('resync', { type: 'resync', reason: 'polling' });
  }

  /** Nothing of it is kept up any more. */
  stop(): void {
    this.replica.stop();
    this.replica.rows = undefined;
    this.joined = this.wasIn = false;
    this.offset = this.snapshot = undefined;
  }

  private concerns(event: ChangeEvent<any>): boolean {
    if (this.row !== undefined) return event.componentId === this.row;
    if ('entityType' in event) return event.entityType === this.ids['entityType'] && event.entityId === this.ids['entityId'];
    return this.replica.rows?.has(event.componentId) ?? true;
  }

  private tell(event: ChangeEvent<any>): void {
    this.listeners.emit(event.type, event);
    this.listeners.emit('changed', event);
  }

  private changed(): void {
    this.snapshot = undefined;
    if (this.isTelling) return;
    this.isTelling = true;
    queueMicrotask(() => {
      this.isTelling = false;
      this.listeners.emit(WATCHED, this.state);
    });
  }
}
