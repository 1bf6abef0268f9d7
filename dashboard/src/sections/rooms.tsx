import type { Connection } from '../connection';
import { metric, type BusyRoom, type Snapshot } from '../model';
import { plural } from '../format';
import { Section } from './section';

export function Rooms({ connection, snapshot }: { connection: Connection; snapshot: Snapshot }) {
  const rooms = snapshot.hub?.rooms ?? [];
  const look = (room: string) => {
    void connection.inspect({ room, table: '' });
    document.getElementById('events')?.scrollIntoView();
    document.getElementById('lens-room')?.focus({ preventScroll: true });
  };
  return (
    <Section id="rooms" title="Busiest rooms" aside={
      <span class="note">{plural(metric(snapshot, 'walcast_sockets'), 'socket')} in {plural(metric(snapshot, 'walcast_rooms'), 'room')}, users’ own counted</span>
    }>
      {rooms.length === 0 ? <p class="card empty">Nobody has subscribed to anything.</p> : (
        <ol class="card busy">{rooms.map((room) => <Room key={room.room} room={room} look={look} />)}</ol>
      )}
    </Section>
  );
}

function Room({ room, look }: { room: BusyRoom; look: (room: string) => void }) {
  return (
    <li>
      <code class="name">{room.room}</code>
      <span class="figure">{plural(room.sockets, 'socket')}</span>
      <ul class="who" aria-label={`Users in ${room.room}`}>
        {room.users.map((user) => <li key={user.id} class="chip" title={user.id}>{user.email ?? user.id}</li>)}
        {room.more && <li class="note">and others</li>}
      </ul>
      <button type="button" class="quiet" onClick={() => look(room.room)} aria-label={`Watch events of ${room.room}`}>Events</button>
    </li>
  );
}
