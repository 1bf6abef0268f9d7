// What the examples in the docs take from the page around them.
import type { io as connect, Socket } from 'socket.io-client';
import type { Client, ComponentHandle, EntityHandle } from 'walcast-client';

declare global {
  // Who is asking, and where.
  const url: string;
  const token: string;
  const user: string;
  const supabase: { auth: { getSession(): Promise<{ data: { session: { access_token: string } | null } }> } };
  function getToken(): Promise<string>;
  function freshToken(): Promise<string>;
  const io: typeof connect;
  const socket: Socket;
  const client: Client;
  const page: EntityHandle;
  const hero: ComponentHandle;

  // What the page does with what it is told.
  function render(...what: unknown[]): void;
  function show(what: unknown): void;
  function apply(...change: unknown[]): void;
  function merge(current: unknown): void;
  function refetch(): void;
  function subscribeAndFetch(): void;
  function put(row: object): void;
  function remove(id: unknown): void;
}
