import { Room } from './room.js';
import type { Surroundings } from './room.js';
import type { ChangeEvent, ComponentHandle, EntityHandle, Id, NestedHandle, Row, WriteOptions, Written } from './types.js';

/** A row's room. */
export class RowRoom<T extends Row> extends Room<T, T | null> implements ComponentHandle<T> {
  readonly id: string;
  isOfMany = false;

  constructor(around: Surroundings, prefix: string, id: string) {
    super(around, prefix, { id }, `${prefix}:${id}`, `${prefix}/${encodeURIComponent(id)}`);
    this.id = id;
  }

  update(updates: Partial<T>, options?: WriteOptions): Promise<Written> {
    return this.#write('update', { updates, ...options });
  }

  async delete(options?: WriteOptions): Promise<void> {
    await this.#write('delete', { ...options });
  }

  nested(rowId: Id): NestedHandle {
    return {
      create: (nestedComponent) => this.#write('nested-create', { rowId, nestedComponent }),
      update: (nestedComponentId, updates, options) => this.#write('nested-update', { rowId, nestedComponentId, updates, ...options }),
      delete: (nestedComponentId, options) => this.#write('nested-delete', { rowId, nestedComponentId, ...options }),
    };
  }

  typing(): void {
    this.around.say(`${this.prefix}:typing`, this.ids);
  }

  cursor(position: unknown): void {
    this.around.say(`${this.prefix}:cursor`, { ...this.ids, position });
  }

  idOf(): string {
    return this.id;
  }

  dataOf(rows: T[]): T | null {
    return rows[0] ?? null;
  }

  isMeant(payload: any, prefix: string): boolean {
    return String(payload[`${this.prefix}Id`] ?? (prefix === this.prefix && payload.id)) === this.id;
  }

  concerns({ componentId }: ChangeEvent<any>): boolean {
    return componentId === this.id;
  }

  override take(event: ChangeEvent<any>): void {
    const reason = event.type === 'deleted' && this.concerns(event) && event.reason;
    // One that moved to another entity is still there; one that became a nested component is not.
    if (reason === 'moved') return this.start();
    super.take(event);
    // Then the server has taken us out of the room.
    if (reason === 'no longer visible') this.joined = !!(this.offset = undefined);
  }

  #write(verb: string, payload: object): Promise<any> {
    return this.around.write(this, verb, { id: this.id, ...payload });
  }
}

/** An entity's room, as far as rows of one table are in it. */
export class EntityRoom<T extends Row> extends Room<T, T[]> implements EntityHandle<T> {
  readonly entityType: string;
  readonly entityId: string;
  idOf: (row: Row) => string;
  isOfMany = true;

  constructor(around: Surroundings, prefix: string, entityType: string, entityId: string, key?: (row: T) => string) {
    const ids = { entityType, entityId };
    super(around, prefix, ids, `entity:${entityType}:${entityId}`, `${prefix}?limit=500&${new URLSearchParams(ids)}`);
    this.entityType = entityType;
    this.entityId = entityId;
    this.idOf = (key as typeof this.idOf) ?? ((row) => String(row.id));
  }

  async create(component: Partial<T>): Promise<{ componentId: string; version?: number }> {
    const ack = await this.around.write(this, 'create', { ...this.ids, [this.prefix]: component });
    return { ...ack, componentId: ack[`${this.prefix}Id`] };
  }

  typing(id?: Id): void {
    this.around.say(`${this.prefix}:typing`, { ...this.ids, id });
  }

  cursor(position: unknown, id?: Id): void {
    this.around.say(`${this.prefix}:cursor`, { ...this.ids, id, position });
  }

  dataOf(rows: T[]): T[] {
    return rows;
  }

  isMeant({ entityType, entityId }: any): boolean {
    return entityType === this.entityType && entityId === this.entityId;
  }

  concerns(event: ChangeEvent<any>): boolean {
    return 'entityType' in event ? this.isMeant(event) : (this.replica.rows?.has(event.componentId) ?? true);
  }
}
