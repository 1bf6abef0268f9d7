import { useChanging } from './changing';
import { useDesk } from './desk';
import type { Entry } from './log';

const HOW = { live: '', missed: 'caught up', polled: 'polled', own: 'acknowledged' };

/** What the database's log told, the newest first. */
export function EventsPanel() {
  const { log, me } = useDesk();
  useChanging(log);
  return (
    <section class="panel events" aria-labelledby="events">
      <div class="heading">
        <h2 id="events">Events</h2>
        <span class="muted">{log.count === 0 ? 'none yet' : `${log.count} so far`}</span>
      </div>
      {log.entries.length === 0
        ? <p class="empty">What is committed shows here, with its place in the log.</p>
        : <ol tabIndex={0} aria-labelledby="events">{log.entries.map((entry) => <Line key={entry.number} entry={entry} me={me} />)}</ol>}
    </section>
  );
}

function Line({ entry: { at, type, what, details, by, offset, how }, me }: { entry: Entry; me: string }) {
  return (
    <li class={`entry ${how}`}>
      <span class={`kind ${type.split('-').pop()}`}>{type}</span>
      <time>{at.toLocaleTimeString([], { hour12: false })}</time>
      <span class="told"><strong>{what}</strong>{details && <> · {details}</>}</span>
      <span class="by">{by === me ? 'you' : (by ?? 'somebody')}</span>
      <code>{offset ?? HOW[how]}</code>
      {how === 'missed' && <span class="late">{HOW.missed}</span>}
    </li>
  );
}
