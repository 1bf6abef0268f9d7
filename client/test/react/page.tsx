// A page that uses the hooks as it is told to, and keeps what they showed. It is bundled and driven by screen.ts.
import { QueryClient } from '@tanstack/react-query';
import { StrictMode, useLayoutEffect, version } from 'react';
import type { ReactNode } from 'react';
import { flushSync } from 'react-dom';
import { createRoot } from 'react-dom/client';
import { createClient } from '../../src/index.js';
import type { Client, ClientOptions } from '../../src/index.js';
import { useComponent, useEntity, usePresence, useRealtime, useRealtimeStatus, WalcastProvider } from '../../src/react/index.js';
import type { RoomName } from '../../src/react/index.js';

/** `key` stays with the component, whatever its props. */
export type Widget = { key: string } & (
  | { kind: 'component' | 'input' | 'realtime'; id: string | null }
  | { kind: 'entity'; type: string; id: string }
  | { kind: 'presence'; room: RoomName }
  | { kind: 'status' }
);

type Outcome = { version?: number | undefined; code?: string; message?: string };

const shown: Record<string, unknown[]> = {};
const uses: Record<string, any> = {};
const invalidated: string[] = [];
const conflicts: object[] = [];

/** What was committed to the screen; what Strict Mode renders besides is not. */
function Shown({ name, value, use }: { name: string; value: unknown; use?: unknown }) {
  const text = JSON.stringify(value) ?? 'undefined';
  useLayoutEffect(() => {
    uses[name] = use;
    (shown[name] ??= []).push(value);
  }, [name, text, use]);
  return <p>{text}</p>;
}

const widgets: Record<Widget['kind'], (props: any) => ReactNode> = {
  component({ name, id }) {
    const { data, fresh, pending, error, ...use } = useComponent(id);
    return <Shown name={name} value={{ data: data ?? null, fresh, pending, error: error?.message }} use={use} />;
  },
  entity({ name, type, id }) {
    const { data, fresh, pending, error, ...use } = useEntity(type, id);
    return <Shown name={name} value={{ data: data ?? null, fresh, pending, error: error?.message }} use={use} />;
  },
  input({ id }) {
    const { data, update } = useComponent(id);
    return <input value={data?.name ?? ''} onChange={(event) => void update({ name: event.target.value })} />;
  },
  presence({ name, room }) {
    const { users, set } = usePresence(room);
    return <Shown name={name} value={users.map(({ id, state }) => ({ id, state }))} use={set} />;
  },
  status({ name }) {
    return <Shown name={name} value={useRealtimeStatus()} />;
  },
  realtime({ id }) {
    useRealtime(id);
    return null;
  },
};

function Widgets({ list }: { list: Widget[] }) {
  return list.map(({ key, kind, ...props }) => {
    const Widget = widgets[kind];
    return <Widget key={key} name={key} {...props} />;
  });
}

const root = createRoot(document.body.appendChild(document.createElement('main')));
const queryClient = new QueryClient({ defaultOptions: { queries: { gcTime: Infinity } } });
queryClient.getQueryCache().subscribe((event) => {
  if (event.type === 'updated' && event.action.type === 'invalidate') invalidated.push(JSON.stringify(event.query.queryKey));
});
let client: Client;

const stage = {
  react: version,
  open(url: string, token: string, options: Partial<ClientOptions>) {
    client = createClient(url, { token: () => token, ...options });
  },
  /** The whole page, at once. */
  show(list: Widget[]) {
    flushSync(() =>
      root.render(
        <StrictMode>
          <WalcastProvider client={client} queryClient={queryClient}>
            <Widgets list={list} />
          </WalcastProvider>
        </StrictMode>,
      ),
    );
  },
  shown: (key: string) => shown[key] ?? [],
  async update(key: string, args: unknown[], choice?: any): Promise<Outcome> {
    const onConflict = (conflict: object) => {
      conflicts.push(conflict);
      return choice;
    };
    return uses[key].update(...args, choice && { onConflict }).then(
      ({ version }: { version?: number }) => ({ version }),
      ({ code, message }: { code?: string; message: string }) => ({ code, message }),
    );
  },
  set: (key: string, state: object) => uses[key](state),
  conflicts,
  invalidated,
  cache: (queryKey: unknown[]) => void queryClient.setQueryData(queryKey, 'cached'),
};

declare global {
  var walcast: typeof stage;
}
globalThis.walcast = stage;
