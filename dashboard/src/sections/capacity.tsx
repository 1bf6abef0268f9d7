import { bytes, number, percent, plural } from '../format';
import { metric, series, type Snapshot } from '../model';
import { Meter, Section, Tile } from './section';

export function Capacity({ snapshot }: { snapshot: Snapshot }) {
  const of = (name: string) => metric(snapshot, name);
  const history = of('walcast_history_bytes') / Math.max(1, snapshot.limits.replayBytes);
  const outbox = of('walcast_outbox_fill_ratio');
  const total = (name: string) => series(snapshot, name).reduce((sum, [, count]) => sum + count, 0);
  const files = of('process_open_fds') / Math.max(1, of('process_max_fds'));
  return (
    <Section id="capacity" title="Capacity" aside={<span class="note">counted since the start</span>}>
      <dl class="tiles">
        <Tile name="History" value={bytes(of('walcast_history_bytes'))}>
          <Meter label="History, of what it may take" part={history} />
          {plural(of('walcast_history_events'), 'event')}, {percent(history)} of {bytes(snapshot.limits.replayBytes)}
        </Tile>
        <Tile name="Fullest outbox" value={percent(outbox)}>
          <Meter label="Fullest outbox, of what may wait for one socket" part={outbox} />
          {outbox > 0
            ? `${plural(of('walcast_outbox_sockets'), 'socket')} wait for ${bytes(of('walcast_outbox_bytes'))}`
            : 'nothing waits for anybody'}
        </Tile>
        <Tile name="Memory" value={bytes(of('process_resident_memory_bytes'))}>
          <Meter label="Open files, of what may be open" part={files} />
          {number(of('process_open_fds'))} of {number(of('process_max_fds'))} files open
        </Tile>
        <Tile name="Dropped" value={number(total('walcast_drops_total'))}><Reasons of={series(snapshot, 'walcast_drops_total')} none="nothing was dropped" /></Tile>
        <Tile name="Writes" value={number(total('walcast_writes_total'))}><Reasons of={series(snapshot, 'walcast_writes_total')} none="no socket wrote" /></Tile>
        <Tile name="Refused" value={number(total('walcast_refusals_total'))}><Reasons of={series(snapshot, 'walcast_refusals_total')} none="no request was refused" /></Tile>
        <Tile name="Row security" value={number(of('walcast_row_security_questions_total'))}>
          <Reasons of={series(snapshot, 'walcast_row_security_answers_total')} none="nothing had to be asked" />
        </Tile>
        <Tile name="Could not be told" value={number(total('walcast_poison_total'))}><Reasons of={series(snapshot, 'walcast_poison_total')} none="all could be told" /></Tile>
      </dl>
    </Section>
  );
}

function Reasons({ of, none }: { of: [string, number][]; none: string }) {
  const counted = of.filter(([, count]) => count > 0);
  return <>{counted.length === 0 ? none : counted.map(([reason, count]) => `${reason.replaceAll('_', ' ')} ${number(count)}`).join(' · ')}</>;
}
