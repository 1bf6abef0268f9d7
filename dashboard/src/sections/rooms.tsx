import type { Connection } from '../connection';
import { metric, type BusyRoom, type Snapshot } from '../model';
import { number, plural } from '../format';
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
        <div class="card scroll" tabIndex={0} role="region" aria-label="Busiest rooms">
          <table>
            <thead><tr><th scope="col">Room</th><th scope="col" class="figure">Sockets</th><th scope="col">Who</th><th scope="col"><span class="sr-only">Action</span></th></tr></thead>
            <tbody>{rooms.map((room) => <Row key={room.room} room={room} look={look} />)}</tbody>
          </table>
        </div>
      )}
    </Section>
  );
}

function Row({ room, look }: { room: BusyRoom; look: (room: string) => void }) {
  return (
    <tr>
      <th scope="row"><code>{room.room}</code></th>
      <td class="figure">{number(room.sockets)}</td>
      <td class="who">
        {room.users.map((user) => <span key={user.id} class="chip" title={user.email ?? undefined}>{user.email ?? user.id}</span>)}
        {room.more && <span class="note">and others</span>}
      </td>
      <td class="action"><button type="button" class="quiet" onClick={() => look(room.room)} aria-label={`Watch events of ${room.room}`}>Events</button></td>
    </tr>
  );
}
