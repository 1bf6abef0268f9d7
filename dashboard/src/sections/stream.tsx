import { bytes, duration, lsn, percent } from '../format';
import { metric, type Snapshot } from '../model';
import { Meter, Section, Tile } from './section';

export function Stream({ snapshot }: { snapshot: Snapshot }) {
  const { stream, hub } = snapshot;
  const lag = metric(snapshot, 'walcast_stream_lag_seconds');
  const leads = metric(snapshot, 'walcast_leader') > 0;
  const reconnects = metric(snapshot, 'walcast_reconnects_total');
  return (
    <Section id="stream" title="Stream" aside={
      <span class="note">slot <code>{snapshot.slot}</code> · {snapshot.plugin} · publication <code>{snapshot.publication}</code></span>
    }>
      <dl class="tiles six">
        <Tile name="Role" value={leads ? 'Leader' : 'Standby'}>
          {reconnects > 0 ? `stream made again ${reconnects}×` : 'one stream since the start'}
        </Tile>
        <Tile name="Behind the database" value={stream ? bytes(stream.lagBytes) : 'not known'}>
          {lag > 0 ? `${duration(lag)} of log` : 'caught up'}
        </Tile>
        <Tile name="Received up to" value={<code>{snapshot.received}</code>}>
          {stream ? <>the log ends at <code>{stream.logEnd}</code></> : 'the database does not answer'}
        </Tile>
        <Tile name="Told up to" value={<code>{hub ? lsn(hub.position) : '–'}</code>}>
          epoch <code>{hub?.position.split('/')[0] ?? '–'}</code>
        </Tile>
        <Tile name="Confirmed up to" value={<code>{snapshot.confirmed}</code>}>
          {stream ? `${bytes(stream.unconfirmedBytes)} kept for who comes back` : ''}
        </Tile>
        <Tile name="Log held on disk" value={stream ? bytes(stream.heldBytes) : 'not known'}>
          {stream && <Bound held={stream.heldBytes} safe={stream.safeBytes} status={stream.walStatus} />}
        </Tile>
      </dl>
    </Section>
  );
}

/** Against what Postgres would keep. */
function Bound({ held, safe, status }: { held: number; safe: number | null; status: string | null }) {
  if (status === null || status === 'lost') return <>the slot is {status ?? 'missing'}</>;
  if (safe === null) return <>{status}, without a bound</>;
  const part = held / Math.max(1, held + safe);
  return (
    <>
      <Meter label="Log held, of what Postgres keeps" part={part} />
      {percent(part)} of {bytes(held + safe)}
    </>
  );
}
