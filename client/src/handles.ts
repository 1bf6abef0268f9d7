import { Room } from './room.js';
import type { Surroundings } from './room.js';
import type { ChangeEvent, ComponentHandle, EntityHandle, Id, NestedHandle, Row, WriteOptions, Written } from './types.js';

/** A row's room. */
export class RowRoom<T extends Row> extends Room<T, T | null> implements ComponentHandle<T> {
  declare readonly id: string;
  _isOfMany = false;

  constructor(around: Surroundings, prefix: string, id: string) {
    super(around, prefix, { id }, `${prefix}:${id}`, `${prefix}/${encodeURIComponent(id)}`);
  }

  update(updates: Partial<T>, options?: WriteOptions): Promise<Written> {
    return this.#write('update', { updates, ...options });
  }

  async delete(options?: WriteOptions): Promise<void> {
    await this.#write('delete', options);
  }

  nested(rowId: Id): NestedHandle {
    return {
      create: (nestedComponent) => this.#write('nested-create', { rowId, nestedComponent }),
      update: (nestedComponentId, updates, options) => this.#write('nested-update', { rowId, nestedComponentId, updates, ...options }),
      delete: (nestedComponentId, options) => this.#write('nested-delete', { rowId, nestedComponentId, ...options }),
    };
  }

  _idOf(): string {
    return this.id;
  }

  _dataOf(rows: T[]): T | null {
    return rows[0] ?? null;
  }

  _isMeant(payload: any, prefix: string): boolean {
    return String(payload[`${this._prefix}Id`] ?? (prefix === this._prefix && payload.id)) === this.id;
  }

  _concerns({ componentId }: ChangeEvent<any>): boolean {
    return componentId === this.id;
  }

  override _take(event: ChangeEvent<any>): void {
    const reason = event.type === 'deleted' && this._concerns(event) && event.reason;
    // One that moved to another entity is still there; one that became a nested component is not.
    if (reason === 'moved') return this._start();
    super._take(event);
    // Then the server has taken us out of the room.
    if (reason === 'no longer visible') this._joined = !!(this.offset = undefined);
  }

  #write(verb: string, payload?: object): Promise<any> {
    return this._around._write(this, verb, { id: this.id, ...payload });
  }
}

/** An entity's room, as far as rows of one table are in it. */
export class EntityRoom<T extends Row> extends Room<T, T[]> implements EntityHandle<T> {
  declare readonly entityType: string;
  declare readonly entityId: string;
  _idOf: (row: Row) => string;
  _isOfMany = true;

  constructor(around: Surroundings, prefix: string, entityType: string, entityId: string, key?: (row: T) => string) {
    const ids = { entityType, entityId };
    super(around, prefix, ids, `entity:${entityType}:${entityId}`, `${prefix}?limit=500&${new URLSearchParams(ids)}`);
    this._idOf = (key as typeof this._idOf) ?? ((row) => String(row.id));
  }

  async create(component: Partial<T>): Promise<{ componentId: string; version?: number }> {
    const ack = await this._around._write(this, 'create', { ...this._ids, [this._prefix]: component });
    return { ...ack, componentId: ack[`${this._prefix}Id`] };
  }

  _dataOf(rows: T[]): T[] {
    return rows;
  }

  _isMeant({ entityType, entityId }: any): boolean {
    return entityType === this.entityType && entityId === this.entityId;
  }

  _concerns(event: ChangeEvent<any>): boolean {
    return 'entityType' in event ? this._isMeant(event) : (this._replica.rows?.has(event.componentId) ?? true);
  }
}
