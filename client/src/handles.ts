import type { Room } from './room.js';
import type {
  ComponentHandle, EntityHandle, Handle, HandleEvents, Id, NestedHandle, Presence, Row, Snapshot, Unsubscribe, WriteOptions, Written,
} from './types.js';

/** What a handle needs of its client. */
export interface Desk {
  /** Asks the server to write; the ack. */
  write(prefix: string, verb: string, payload: object, componentId?: string): Promise<any>;
  say(event: string, payload: object): boolean;
}

abstract class RoomHandle<T extends Row, D> implements Handle<T, D> {
  constructor(
    protected readonly prefix: string,
    protected readonly desk: Desk,
    /** Looked up each time: one that nobody used for a while is forgotten. */
    private readonly find: () => Room,
  ) {}

  get room(): string {
    return this.find().name;
  }

  get state(): Snapshot<D> {
    return this.find().state;
  }

  get presence(): Presence {
    return {
      users: () => this.find().presence.users(),
      set: (state) => this.find().presence.set(state),
      on: (callback) => this.on('presence', callback),
    };
  }

  on<E extends keyof HandleEvents<T>>(event: E, callback: (payload: HandleEvents<T>[E]) => void): Unsubscribe {
    return this.find().on(event, callback);
  }

  subscribe(): Unsubscribe {
    return this.find().use();
  }

  watch(callback: (state: Snapshot<D>) => void): Unsubscribe {
    return this.find().watch(callback);
  }

  async fetch(): Promise<{ data: D; offset: string | undefined }> {
    const { rows, offset } = await this.find().fetch();
    return { data: this.dataOf(rows as T[]), offset };
  }

  protected abstract dataOf(rows: T[]): D;
}

export class OneRow<T extends Row> extends RoomHandle<T, T | null> implements ComponentHandle<T> {
  constructor(prefix: string, desk: Desk, find: () => Room, readonly id: string) {
    super(prefix, desk, find);
  }

  update(updates: Partial<T>, options?: WriteOptions): Promise<Written> {
    return this.write('update', { updates, ...options });
  }

  async delete(options?: WriteOptions): Promise<void> {
    await this.write('delete', { ...options });
  }

  nested(rowId: Id): NestedHandle {
    return {
      create: (nestedComponent) => this.write('nested-create', { rowId, nestedComponent }),
      update: (nestedComponentId, updates, options) => this.write('nested-update', { rowId, nestedComponentId, updates, ...options }),
      delete: (nestedComponentId, options) => this.write('nested-delete', { rowId, nestedComponentId, ...options }),
    };
  }

  typing(): void {
    this.desk.say(`${this.prefix}:typing`, { id: this.id });
  }

  cursor(position: unknown): void {
    this.desk.say(`${this.prefix}:cursor`, { id: this.id, position });
  }

  protected dataOf(rows: T[]): T | null {
    return rows[0] ?? null;
  }

  private write(verb: string, payload: object): Promise<any> {
    return this.desk.write(this.prefix, verb, { id: this.id, ...payload }, this.id);
  }
}

export class RowsOfEntity<T extends Row> extends RoomHandle<T, T[]> implements EntityHandle<T> {
  constructor(prefix: string, desk: Desk, find: () => Room, readonly entityType: string, readonly entityId: string) {
    super(prefix, desk, find);
  }

  async create(component: Partial<T>): Promise<{ componentId: string; version?: number }> {
    const ack = await this.desk.write(this.prefix, 'create', { ...this.ids, [this.prefix]: component });
    return { ...ack, componentId: ack[`${this.prefix}Id`] };
  }

  typing(id?: Id): void {
    this.desk.say(`${this.prefix}:typing`, { ...this.ids, id });
  }

  cursor(position: unknown, id?: Id): void {
    this.desk.say(`${this.prefix}:cursor`, { ...this.ids, id, position });
  }

  protected dataOf(rows: T[]): T[] {
    return rows;
  }

  private get ids() {
    return { entityType: this.entityType, entityId: this.entityId };
  }
}
