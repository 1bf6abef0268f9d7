import { useRef } from 'preact/hooks';
import { Card } from './card';
import { useChanging } from './changing';
import { ConflictDialog } from './conflict';
import { CursorLayer } from './cursors';
import { useDesk } from './desk';
import { EventsPanel } from './events';
import { Header } from './header';
import { Notice } from './notice';
import { SqlPanel } from './sql';
import { TONES } from './tone';

export function App() {
  return (
    <>
      <a class="skip" href="#page">Skip to the page</a>
      <Header />
      <Notice />
      <div class="columns">
        <Canvas />
        <aside aria-label="Behind the page">
          <SqlPanel />
          <EventsPanel />
        </aside>
      </div>
      <ConflictDialog />
    </>
  );
}

function Canvas() {
  const desk = useDesk();
  useChanging(desk, desk.connection);
  const ref = useRef<HTMLElement>(null);
  const { components, room, cursors } = desk;
  return (
    <main id="page" class="canvas" tabIndex={-1} ref={ref} onPointerMove={(event) => ref.current && cursors.point(ref.current, event)}>
      {components?.map((component) => <Card key={component.id} component={component} />)}
      {components?.length === 0 && <p class="empty">The page is empty. Add something.</p>}
      {!components && <p class="empty">{room.state.error ? `The page cannot be fetched: ${room.state.error.message}.` : 'Fetching the page…'}</p>}
      <AddComponent count={components?.length ?? 0} />
      <CursorLayer />
    </main>
  );
}

function AddComponent({ count }: { count: number }) {
  const { room, connection } = useDesk();
  const desk = useDesk();
  const data = { tone: TONES[count % TONES.length] };
  const add = (type: string, name: string, title: string) => () =>
    desk.attempt(() => room.create({ type, name, data, rows: [{ id: 'row-1', title, components: [] }] }));
  const isAway = connection.status !== 'live';
  return (
    <div class="adds" role="group" aria-label="Add to the page">
      <button type="button" class="add" disabled={isAway} onClick={add('list', 'A new list', 'To do')}>Add a list</button>
      <button type="button" class="add" disabled={isAway} onClick={add('text', 'A new text', 'Notes')}>Add a text</button>
    </div>
  );
}
