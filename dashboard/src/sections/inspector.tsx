import { useEffect, useRef, useState } from 'preact/hooks';
import type { Connection } from '../connection';
import { bytes, clock, millis, plural } from '../format';
import type { ShownEvent } from '../model';
import { Section } from './section';

export function Inspector({ connection }: { connection: Connection }) {
  const { lens } = connection;
  const [frozen, freeze] = useState<ShownEvent[] | null>(null);
  const [open, setOpen] = useState<string | null>(null);
  const room = useRef<HTMLInputElement>(null);
  const table = useRef<HTMLInputElement>(null);
  const events = frozen ?? connection.events;
  // Another section may have set the filter.
  useEffect(() => {
    if (lens && room.current && table.current) [room.current.value, table.current.value] = [lens.room, lens.table];
  }, [lens]);
  const watch = (event: Event) => {
    event.preventDefault();
    freeze(null);
    void connection.inspect({ room: room.current?.value.trim() ?? '', table: table.current?.value.trim() ?? '' });
  };
  return (
    <Section id="events" title="Events" aside={<span class="note">every row, whoever may see it</span>}>
      <form class="card lens" onSubmit={watch} role="search" aria-label="Events to watch">
        <label>Room contains <input id="lens-room" ref={room} autocomplete="off" spellcheck={false} placeholder="any" /></label>
        <label>Table contains <input id="lens-table" ref={table} autocomplete="off" spellcheck={false} placeholder="any" /></label>
        <span class="buttons">
          <button type="submit">{lens ? 'Apply' : 'Watch'}</button>
          {lens && <button type="button" class="quiet" aria-pressed={frozen !== null} onClick={() => freeze(frozen ? null : connection.events)}>Pause</button>}
          {lens && <button type="button" class="quiet" onClick={() => { freeze(null); void connection.inspect(null); }}>Stop</button>}
        </span>
      </form>
      <p class="note said" role="status">
        {!lens ? 'Nothing is watched.' : frozen ? 'Paused.' : 'Watching. The newest come first.'}
      </p>
      {connection.passedOver > 0 && <p class="note">{plural(connection.passedOver, 'event')} passed over: more came than can be shown.</p>}
      {events.length > 0 ? (
        <ol class="card events">
          {events.map((event) => (
            <Entry key={event.offset} event={event} connection={connection} isOpen={open === event.offset}
              toggle={() => setOpen(open === event.offset ? null : event.offset)} />
          ))}
        </ol>
      ) : lens && <p class="card empty">Nothing has come yet that matches.</p>}
    </Section>
  );
}

function Entry({ event, connection, isOpen, toggle }: {
  event: ShownEvent;
  connection: Connection;
  isOpen: boolean;
  toggle: () => void;
}) {
  const id = `payload-${event.offset.replace(/[^0-9A-Za-z]/g, '-')}`;
  return (
    <li class={isOpen ? 'open' : ''}>
      <div class="entry">
        <time dateTime={event.committedAt}>{clock(Date.parse(event.committedAt))}</time>
        <button type="button" class="name" aria-expanded={isOpen} aria-controls={isOpen ? id : undefined} onClick={toggle}>{event.event}</button>
        <span class="rooms">{event.rooms.map((room) => <code key={room}>{room}</code>)}</span>
        <span class="of">{event.table ?? 'no table'}{event.actor && <> · by {event.actor}</>}</span>
        <span class="figures">{bytes(event.bytes)} · {millis(Math.max(0, event.latencyMs))}</span>
      </div>
      {isOpen && <Payload id={id} event={event} connection={connection} />}
    </li>
  );
}

/** Asked for only now: rows may hold what should not stand on a screen. */
function Payload({ id, event, connection }: { id: string; event: ShownEvent; connection: Connection }) {
  const [shown, show] = useState('…');
  useEffect(() => {
    void connection.ask<unknown>('payload', { offset: event.offset }).then((answer) => {
      show(answer.ok ? JSON.stringify(answer.data, null, 2) : `It cannot be shown: ${answer.error}.`);
    });
  }, [event.offset]);
  return <pre id={id} tabIndex={0} role="region" aria-label={`Payload of ${event.event}`}>{shown}</pre>;
}
