import { createClient } from 'walcast-client/supabase';

interface Todo {
  id: number;
  task: string;
  [column: string]: unknown;
}

export function todos(url: string, user: number): Map<number, Todo> {
  const held = new Map<number, Todo>();
  createClient(url, 'token')
    .channel('todos')
    .on<Todo>('postgres_changes', { event: '*', schema: 'public', table: 'todos', filter: `user_id=eq.${user}` }, (payload) => {
      if (payload.eventType === 'DELETE') held.delete(Number(payload.old.id));
      else held.set(payload.new.id, payload.new);
    })
    .subscribe((status, error) => console.log(status, error?.message));
  return held;
}
