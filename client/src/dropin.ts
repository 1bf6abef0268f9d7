import { createClient } from './index.js';
import type {
  ChangeEvent, Client, ClientOptions, Component, Created, Deleted, Handle, Id, Row, Status, Unsubscribe, Updated, Written,
} from './types.js';

type Token = string | (() => string | Promise<string>);

/**
 * The class that frontends wrote around a socket, with its methods as they were, on top of `createClient`: what was
 * subscribed to stays so over reconnects, and nothing is missed.
 */
export class RealtimeClient<T extends Row = Component> {
  /** What the methods here do not say is there too: `client.entity('page', 1).presence`. */
  readonly client: Client;
  private token: Token = '';
  private readonly rooms = new Map<string, Unsubscribe>();
  private readonly callbacks = new Set<(event: ChangeEvent<T>) => void>();
  /** An event that is in two rooms of ours is told once. */
  private readonly seen = new WeakSet<ChangeEvent<T>>();

  constructor(url: string, options: Omit<ClientOptions, 'token' | 'autoConnect'> = {}) {
    const token = () => (typeof this.token === 'function' ? this.token() : this.token);
    this.client = createClient(url, { ...options, token, autoConnect: false });
  }

  /** A function is asked for a token at every connection, so that one that has expired does not end it. */
  connect(token: Token): void {
    this.token = token;
    this.client.connect();
  }

  /** What is subscribed to stays so, for the next `connect`. */
  disconnect(): void {
    this.client.disconnect();
  }

  subscribeToComponent(componentId: Id): void;
  subscribeToComponent(entityType: string, entityId: Id): void;
  subscribeToComponent(...ids: [Id, Id?]): void {
    const handle = this.handle(...ids);
    if (this.rooms.has(handle.room)) return;
    this.rooms.set(handle.room, handle.on('changed', (event) => this.tell(event)));
  }

  unsubscribeFromComponent(componentId: Id): void;
  unsubscribeFromComponent(entityType: string, entityId: Id): void;
  unsubscribeFromComponent(...ids: [Id, Id?]): void {
    const { room } = this.handle(...ids);
    this.rooms.get(room)?.();
    this.rooms.delete(room);
  }

  onComponentCreated(callback: (event: Created<T>) => void): Unsubscribe {
    return this.onChange('created', callback);
  }

  onComponentUpdated(callback: (event: Updated<T>) => void): Unsubscribe {
    return this.onChange('updated', callback);
  }

  onComponentDeleted(callback: (event: Deleted) => void): Unsubscribe {
    return this.onChange('deleted', callback);
  }

  /** `connect`, `disconnect`, `error`, or any event of the server by its name, such as `component:typing`. */
  on(event: string, callback: (payload: any) => void): Unsubscribe {
    if (event !== 'connect' && event !== 'disconnect') return this.client.on(event, callback);
    let before: Status = this.client.status;
    return this.client.onStatus((status) => {
      const [was, is] = [before === 'live', status === 'live'];
      before = status;
      if (was !== is && is === (event === 'connect')) callback(status);
    });
  }

  updateComponent(componentId: Id, updates: Partial<T>, version?: number): Promise<Written> {
    return this.client.component<T>(componentId).update(updates, version === undefined ? {} : { version });
  }

  private handle(id: Id, entityId?: Id): Handle<T, unknown> {
    return entityId === undefined ? this.client.component<T>(id) : this.client.entity<T>(String(id), entityId);
  }

  private onChange<E extends ChangeEvent<T>>(type: E['type'], callback: (event: E) => void): Unsubscribe {
    const own = (event: ChangeEvent<T>) => {
      if (event.type === type) callback(event as E);
    };
    this.callbacks.add(own);
    return () => void this.callbacks.delete(own);
  }

  private tell(event: ChangeEvent<T>): void {
    if (this.seen.has(event)) return;
    this.seen.add(event);
    for (const callback of [...this.callbacks]) callback(event);
  }
}
