import { WalcastError } from 'walcast-client';
import { useComponent, useEntity, usePresence, useRealtime, useRealtimeStatus } from 'walcast-client/react';

export function Page({ id }: { id: string }) {
  const { data: components = [], handle } = useEntity('page', id);
  const { users, set } = usePresence({ entityType: 'page', entityId: id });
  return (
    <main>
      <p>{useRealtimeStatus()}: {users.map(({ email }) => email).join(', ')}</p>
      <button onClick={() => set({ colour: 'red' })}>red</button>
      {components.map((component) => <Hero key={component.id} id={component.id} />)}
      <button onClick={() => handle?.create({ type: 'text', name: 'New' })}>new</button>
    </main>
  );
}

interface Product {
  id: string;
  price: number;
  [column: string]: unknown;
}

function Hero({ id }: { id: string }) {
  const { data, pending, update, handle } = useComponent(id);
  useRealtime(id);
  const product = useComponent<Product>(null);
  // @ts-expect-error a component has no such column of that type
  const wrong = () => update({ name: 7 });
  const rename = async (name: string) => {
    try {
      const { version } = await update({ name }, { onConflict: ({ mine, theirs }) => (theirs.name ? mine : 'theirs') });
      console.log(version);
    } catch (error) {
      if (error instanceof WalcastError && error.code === 'forbidden') alert(error.message);
    }
  };
  if (!data) return null;
  return (
    <section aria-busy={pending} onDoubleClick={wrong}>
      <input value={data.name} onChange={(event) => void rename(event.target.value)} onFocus={() => handle?.typing()} />
      <output>{product.data?.price}</output>
    </section>
  );
}
