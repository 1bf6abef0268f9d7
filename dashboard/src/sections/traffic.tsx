import { Chart } from '../chart';
import { millis, number } from '../format';
import type { Point } from '../model';
import { Section } from './section';

export function Traffic({ points }: { points: Point[] }) {
  return (
    <Section id="traffic" title="Traffic" aside={<span class="note">a second, over the last five minutes</span>}>
      <div class="charts">
        <Chart title="Events" points={points} format={number} lines={[
          { label: 'delivered', of: (point) => point.deliveries, colour: '--chart-2', filled: true },
          { label: 'events', of: (point) => point.events, colour: '--chart-1' },
        ]} />
        <Chart title="From commit to socket" points={points} format={millis} lines={[
          { label: 'p99', of: (point) => point.p99, colour: '--chart-3' },
          { label: 'p50', of: (point) => point.p50, colour: '--chart-1' },
        ]} />
        <Chart title="Sockets" points={points} format={number} lines={[
          { label: 'sockets', of: (point) => point.sockets, colour: '--chart-1', filled: true },
          { label: 'rooms', of: (point) => point.rooms, colour: '--chart-2' },
        ]} />
      </div>
    </Section>
  );
}
