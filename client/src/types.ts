/** What a row holds: the columns that are published, by their names. */
export interface Row {
  id?: unknown;
  version?: number;
  [column: string]: unknown;
}

export interface NestedComponent {
  id: string | number;
  [member: string]: unknown;
}

export interface ComponentRow {
  id: string | number;
  components?: NestedComponent[];
  [member: string]: unknown;
}

/** A row of `components` as walcast makes that table. One that is your own may have other columns: pass its type. */
export interface Component extends Row {
  id: string;
  entity_type: string;
  entity_id: string;
  type: string;
  name: string;
  data: Record<string, unknown>;
  rows: ComponentRow[];
  version: number;
  created_by: string | null;
  updated_by: string | null;
  created_at: string;
  updated_at: string;
}

export type Id = string | number;
/** `"{epoch}/{lsn}-{n}"`; to be compared and handed back, no more. */
export type Offset = string;

/** What every change has. `offset` and `timestamp` are missing where it was found by polling, or is an ack's. */
interface Told {
  componentId: string;
  version?: number;
  offset?: Offset;
  timestamp?: string;
}

export interface Created<T extends Row = Component> extends Told {
  type: 'created';
  component: T;
  entityType?: string;
  entityId?: string;
  createdBy: string | null;
}

export interface Updated<T extends Row = Component> extends Told {
  type: 'updated';
  updates: Partial<T>;
  updatedBy: string | null;
}

export interface Deleted extends Told {
  type: 'deleted';
  entityType?: string;
  entityId?: string;
  deletedBy: string | null;
  reason?: string;
}

export interface NestedCreated extends Told {
  type: 'nested-created';
  rowId: Id;
  nestedComponent: NestedComponent;
  createdBy: string | null;
}

export interface NestedUpdated extends Told {
  type: 'nested-updated';
  rowId: Id;
  nestedComponentId: Id;
  updates: Record<string, unknown>;
  updatedBy: string | null;
}

export interface NestedDeleted extends Told {
  type: 'nested-deleted';
  rowId: Id;
  nestedComponentId: Id;
  deletedBy: string | null;
  reason?: string;
}

/** A change of a row. Whatever prefix its table has, it speaks of `component` and `componentId`. */
export type ChangeEvent<T extends Row = Component> =
  | Created<T> | Updated<T> | Deleted | NestedCreated | NestedUpdated | NestedDeleted;

/** What you hold may be stale. A handle that is watched fetches by itself. */
export interface Resync {
  type: 'resync';
  reason: string;
}

export interface User {
  id: string;
  email: string | null;
  /** When their first socket came; `null` where that is not known yet. */
  since: string | null;
  state: Record<string, unknown> | null;
}

export interface Somebody {
  userId: string;
  userEmail: string | null;
  componentId?: string;
  entityType?: string;
  entityId?: string;
}

export interface HandleEvents<T extends Row = Component> {
  created: Created<T>;
  updated: Updated<T>;
  deleted: Deleted;
  'nested-created': NestedCreated;
  'nested-updated': NestedUpdated;
  'nested-deleted': NestedDeleted;
  /** Any of the six. */
  changed: ChangeEvent<T>;
  resync: Resync;
  /** The server does not let us into the room. */
  error: Error;
  presence: User[];
  typing: Somebody;
  cursor: Somebody & { position: unknown };
}

/** `live`: over a socket; `polling`: by HTTP, a few seconds late; `offline`: neither, or nobody looks. */
export type Status = 'live' | 'polling' | 'offline';

export type Unsubscribe = () => void;

/** What is held of a room. It is another object whenever anything of it is. */
export interface Snapshot<D> {
  /** A component, `null` where there is none; of an entity a list. `undefined` until it was fetched. */
  data: D | undefined;
  /** Whether `data` is all that is known. `false` while it is being fetched, first or anew. */
  fresh: boolean;
  /** Why it could not be fetched or subscribed to the last time it was tried. */
  error?: Error | undefined;
}

/** What a successful update answers: the version that it made, and what the database keeps besides what was said. */
export interface Written {
  version?: number;
  updates?: Row;
}

export interface WriteOptions {
  /** The version that you believe to edit; where the row has moved on, `conflict`. */
  version?: number;
}

/** What lies in front of HTTP or a socket: whether anybody looks at the page. */
export interface Visibility {
  readonly hidden: boolean;
  onChange(callback: () => void): Unsubscribe;
}

export interface ClientOptions {
  /** Asked at every connection, and when the server says that the one before expires. */
  token: () => string | Promise<string>;
  /** Whether it connects by itself, or by `connect()`; true. */
  autoConnect?: boolean;
  /** The path of Socket.IO on the server; `/socket.io`. */
  path?: string;
  /** How often a socket is tried before polling begins; 3. */
  failuresBeforePolling?: number;
  /** How often is polled, in ms; 5,000. */
  pollInterval?: number;
  /** The first and the longest pause between attempts to connect, in ms; 1,000 and 5,000. */
  retryDelay?: number;
  retryDelayMax?: number;
  /** How long a hidden page keeps its socket, in ms; 300,000. */
  hiddenTimeout?: number;
  /** How long an answer is waited for, reconnects included, in ms; 10,000. */
  timeout?: number;
  /** How long a room that nobody uses any more is kept, in ms; 100. */
  grace?: number;
  visibility?: Visibility;
  /** In place of the global one. */
  fetch?: typeof fetch;
}

/** What a table is followed by; see "Following a table" in the wire contract. */
export interface ChangesQuery {
  table: string;
  schema?: string;
  event?: 'INSERT' | 'UPDATE' | 'DELETE' | '*';
  filter?: string | string[];
}

export interface TableChange<T extends Row = Row> {
  subscription: string;
  schema: string;
  table: string;
  event: 'insert' | 'update' | 'delete' | 'enter' | 'leave';
  /** As the row has it; of a key of several columns a text. */
  id: Id;
  previousId?: Id;
  record?: T;
  updates?: Partial<T>;
  actor: string | null;
  version?: number;
  offset: Offset;
  timestamp: string;
  undecided?: boolean;
}

export interface TableResync {
  schema: string;
  table: string;
  reason: string;
}

export interface ChangesCallbacks<T extends Row = Row> {
  /** It is followed, again after each time that the connection was lost. */
  onReady?: () => void;
  /** What you hold of the table may be stale. */
  onResync?: (resync: TableResync) => void;
  onError?: (error: Error) => void;
  onChange: (change: TableChange<T>) => void;
}

export interface Presence {
  /** Who is in the room, you among them. The same array until that changes. */
  users(): User[];
  /**
   * Says something of you, at most 4 KiB; said again after a reconnect. The promise is resolved when the room has been told of it,
   * or of something later, which may be when you are in it.
   */
  set(state: Record<string, unknown>): Promise<void>;
  on(callback: (users: User[]) => void): Unsubscribe;
}

/** What both kinds of handles can do. Handles are cheap: those of one room share what they know. */
export interface Handle<T extends Row, D> {
  /** The room's name, `component:…` or `entity:…:…`. */
  readonly room: string;
  /** The latest; see `watch`, without which nothing of it is kept up. */
  readonly state: Snapshot<D>;
  readonly presence: Presence;
  on<E extends keyof HandleEvents<T>>(event: E, callback: (payload: HandleEvents<T>[E]) => void): Unsubscribe;
  /** Stays in the room until it is called off; listeners and watchers do so by themselves. */
  subscribe(): Unsubscribe;
  /** Keeps `state` what the database holds, and calls back whenever it changes, though not at once. */
  watch(callback: (state: Snapshot<D>) => void): Unsubscribe;
  /** Fetches by HTTP, and keeps nothing of it. `offset`: up to where events are contained. */
  fetch(): Promise<{ data: D; offset: Offset | undefined }>;
}

export interface NestedHandle {
  create(nested: Partial<NestedComponent>): Promise<Written & { nestedComponentId: Id }>;
  /** Members that are named are set, `null` removes one. */
  update(nestedId: Id, updates: Record<string, unknown>, options?: WriteOptions): Promise<Written>;
  delete(nestedId: Id, options?: WriteOptions): Promise<Written>;
}

export interface ComponentHandle<T extends Row = Component> extends Handle<T, T | null> {
  readonly id: string;
  update(updates: Partial<T>, options?: WriteOptions): Promise<Written>;
  delete(options?: WriteOptions): Promise<void>;
  nested(rowId: Id): NestedHandle;
  typing(): void;
  cursor(position: unknown): void;
}

export interface EntityHandle<T extends Row = Component> extends Handle<T, T[]> {
  readonly entityType: string;
  readonly entityId: string;
  create(component: Partial<T>): Promise<{ componentId: string; version?: number }>;
  /** In a component of the entity, if one is named. */
  typing(componentId?: Id): void;
  cursor(position: unknown, componentId?: Id): void;
}

export interface Client {
  readonly status: Status;
  onStatus(callback: (status: Status) => void): Unsubscribe;
  /**
   * `error`: what went wrong and nobody waits for, refused tokens among it. Else any event of the server by its name on the
   * wire, such as `invoice:paid` that the database broadcasts, each once.
   */
  on(event: 'error', callback: (error: Error) => void): Unsubscribe;
  on(event: string, callback: (payload: any) => void): Unsubscribe;
  component<T extends Row = Component>(id: Id): ComponentHandle<T>;
  entity<T extends Row = Component>(type: string, id: Id): EntityHandle<T>;
  /** The same of another table, by the prefix of its rule: `row('order', 42)`. `key` names a row where it is not `id` that does. */
  row<T extends Row = Row>(prefix: string, id: Id): ComponentHandle<T>;
  rowsOf<T extends Row = Row>(prefix: string, entityType: string, entityId: Id, key?: (row: T) => string): EntityHandle<T>;
  /** Follows a table by a filter. */
  changes<T extends Row = Row>(query: ChangesQuery, callbacks: ChangesCallbacks<T>): Unsubscribe;
  /** Tells a room an event, by HTTP; the token needs the claim `broadcast`. */
  broadcast(room: string, event: string, payload?: Record<string, unknown>): Promise<void>;
  /** It begins by itself; this is for after `disconnect`. */
  connect(): void;
  /** Leaves, and comes back by `connect` with what it missed. */
  disconnect(): void;
  /** For good: forgets all. */
  close(): void;
}
