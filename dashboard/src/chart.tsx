import { useEffect, useId, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import { SPAN, type Point } from './model';
import { THEMED } from './theme';

export interface Line {
  label: string;
  of: (point: Point) => number | null;
  /** Of the custom properties in style.css. */
  colour: string;
  filled?: boolean;
}

const HEIGHT = 132;

/** A live chart, and the same in words. */
export function Chart({ title, lines, points, format }: {
  title: string;
  lines: Line[];
  points: Point[];
  format: (value: number) => string;
}) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const data = useRef<uPlot.AlignedData>([[]]);
  const id = useId();
  data.current = [points.map(({ at }) => at / 1000), ...lines.map(({ of }) => points.map(of))] as uPlot.AlignedData;

  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const paint = () => {
      plot.current?.destroy();
      plot.current = new uPlot(options(element, lines, format), data.current, element);
    };
    paint();
    const resized = new ResizeObserver(() => plot.current?.setSize({ width: element.clientWidth, height: HEIGHT }));
    resized.observe(element);
    const dark = matchMedia('(prefers-color-scheme: dark)');
    dark.addEventListener('change', paint);
    addEventListener(THEMED, paint);
    return () => {
      resized.disconnect();
      dark.removeEventListener('change', paint);
      removeEventListener(THEMED, paint);
      plot.current?.destroy();
      plot.current = null;
    };
  }, []);
  useEffect(() => {
    const now = Date.now() / 1000;
    plot.current?.setData(data.current, false);
    plot.current?.setScale('x', { min: now - SPAN, max: now });
  }, [points]);

  return (
    <figure class="card chart" aria-labelledby={id}>
      <figcaption>
        <h3 id={id}>{title}</h3>
        <ul class="legend">
          {lines.map((line) => <Legend key={line.label} line={line} points={points} format={format} />)}
        </ul>
      </figcaption>
      <div ref={box} class="plot" aria-hidden="true" />
    </figure>
  );
}

function Legend({ line, points, format }: { line: Line; points: Point[]; format: (value: number) => string }) {
  const values = points.map(line.of).filter((value) => value !== null);
  const last = points.at(-1);
  const now = last ? line.of(last) : null;
  return (
    <li>
      <span class="swatch" style={{ background: `var(${line.colour})` }} aria-hidden="true" />
      {line.label} <strong>{now === null ? '–' : format(now)}</strong>
      {values.length > 0 && (
        <span class="sr-only">
          , in the last minutes between {format(Math.min(...values))} and {format(Math.max(...values))}
        </span>
      )}
    </li>
  );
}

function options(element: HTMLElement, lines: Line[], format: (value: number) => string): uPlot.Options {
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  const axis: uPlot.Axis = {
    stroke: colour('--muted'),
    font: '11px system-ui, sans-serif',
    grid: { stroke: colour('--line'), width: 1 },
    ticks: { show: false },
  };
  return {
    width: element.clientWidth,
    height: HEIGHT,
    legend: { show: false },
    cursor: { show: false },
    padding: [8, 8, 0, 0],
    scales: { x: { time: true, auto: false }, y: { range: (_, __, max) => [0, Math.max(1, (max || 0) * 1.1)] } },
    axes: [
      { ...axis, size: 22, gap: 4, space: 56, values: (_, ticks) => ticks.map((at) => new Date(at * 1000).toTimeString().slice(0, 5)), incrs: [60, 120, 300] },
      { ...axis, size: 54, gap: 4, space: 30, values: (_, ticks) => ticks.map(format) },
    ],
    series: [
      {},
      ...lines.map((line) => ({
        stroke: colour(line.colour),
        width: 1.75,
        points: { show: false },
        ...(line.filled && { fill: `${colour(line.colour)}22` }),
      })),
    ],
  };
}
