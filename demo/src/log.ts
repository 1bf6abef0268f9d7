import type { ChangeEvent, EntityHandle, Written } from 'walcast-client';
import { Changing } from './changing';
import type { Connection } from './connection';
import type { Place } from './place';

export interface Entry {
  number: number;
  at: Date;
  type: string;
  /** The component's name, and what of it was changed. */
  what: string;
  details: string;
  by: string | null;
  offset: string | undefined;
  /** As it came, late since we were away, found by polling, or the answer to a write of our own. */
  how: 'live' | 'missed' | 'polled' | 'own';
}

const MOST = 60;

/** What was told, the newest first. */
export class Log extends Changing {
  entries: Entry[] = [];
  count = 0;

  constructor(readonly room: EntityHandle, readonly connection: Connection, readonly me: string) {
    super();
    room.on('changed', (event) => this.#take(event));
  }

  own({ componentId, kind, member }: Place, { version }: Written): void {
    const type = kind === 'nested' ? 'nested-updated' : 'updated';
    const details = `${member}, now version ${version}`;
    this.#add({ at: new Date(), type, what: this.#nameOf(componentId), details, by: this.me, offset: undefined, how: 'own' });
  }

  #take(event: ChangeEvent): void {
    const { type, componentId, timestamp, offset } = event;
    const how = this.connection.hasMissed(event) ? 'missed' : offset ? 'live' : 'polled';
    const at = timestamp ? new Date(timestamp) : new Date();
    const what = type === 'created' ? event.component.name : this.#nameOf(componentId);
    this.#add({ at, type, what, details: details(event), by: whoOf(event), offset: offset && place(offset), how });
  }

  #nameOf(id: string): string {
    return this.room.state.data?.find((component) => component.id === id)?.name ?? 'a component';
  }

  #add(entry: Omit<Entry, 'number'>): void {
    this.count += 1;
    this.entries = [{ ...entry, number: this.count }, ...this.entries].slice(0, MOST);
    this.changed();
  }
}

/** What the database keeps by itself, with every change. */
const KEPT = new Set(['version', 'updated_at', 'updated_by', 'created_at', 'created_by', 'id']);

/** An offset as Postgres writes places in its log, and which event of its transaction it is. */
function place(offset: string): string {
  const [, high, low, number] = /([0-9A-F]{8})([0-9A-F]{8})-0*(\d+)$/i.exec(offset) ?? [];
  const short = (half = '') => parseInt(half, 16).toString(16).toUpperCase();
  return low ? `${short(high)}/${short(low)} #${number}` : offset;
}

function details(event: ChangeEvent): string {
  const names = (record: object) => {
    const all = Object.keys(record);
    const said = all.filter((name) => !KEPT.has(name));
    return (said.length ? said : all).join(', ');
  };
  if (event.type === 'updated' || event.type === 'nested-updated') return names(event.updates);
  if (event.type === 'nested-created') return String(event.nestedComponent.text ?? '');
  return '';
}

function whoOf(event: ChangeEvent): string | null {
  if ('updatedBy' in event) return event.updatedBy;
  return 'createdBy' in event ? event.createdBy : event.deletedBy;
}
