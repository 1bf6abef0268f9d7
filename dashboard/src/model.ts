/** What the server says in the namespace `/dashboard`: src/app/dashboard.rs and src/gateway/dashboard. */
export interface Snapshot {
  at: number;
  version: string;
  state: State;
  slot: string;
  plugin: string;
  publication: string;
  received: string;
  confirmed: string;
  /** What the database says of the slot; null where it does not. */
  stream: Standing | null;
  hub: { position: string; rooms: BusyRoom[] } | null;
  limits: { outboxBytes: number; replayBytes: number };
  /** By name and labels, as in /metrics; null: infinite. */
  metrics: Record<string, number | null>;
}

export type State = 'starting' | 'ready' | 'standby' | 'disconnected' | 'stopping';

export interface Standing {
  logEnd: string;
  lagBytes: number;
  unconfirmedBytes: number;
  heldBytes: number;
  /** Null: Postgres keeps the log without a bound. */
  safeBytes: number | null;
  walStatus: string | null;
}

export interface BusyRoom {
  room: string;
  sockets: number;
  users: { id: string; email: string | null }[];
  more: boolean;
}

export interface ShownEvent {
  offset: string;
  event: string;
  rooms: string[];
  table: string | null;
  actor: string | null;
  bytes: number;
  latencyMs: number;
  committedAt: string;
}

export interface Published {
  publication: string;
  tables: PublishedTable[];
}

export interface PublishedTable {
  table: string;
  prefix: string | null;
  rule: Record<string, unknown> | null;
  key: string[];
  columns: number;
  hidden: string[];
  isFiltered: boolean;
  rowSecurity: boolean;
  policies: number;
  isFull: boolean;
}

export interface Finding {
  name: string;
  severity: 'error' | 'warning' | 'note';
  what: string;
  why: string;
  remedy: string;
}

export type Answer<T> = { ok: true; data: T } | { ok: false; error: string };

/** One second of the charts. */
export interface Point {
  at: number;
  events: number;
  deliveries: number;
  changes: number;
  /** In milliseconds; null: nothing was sent. */
  p50: number | null;
  p99: number | null;
  sockets: number;
  rooms: number;
}

/** How many seconds the charts show. */
export const SPAN = 300;
/** Over how many the latency is taken. */
const LATENCY_OVER = 5;

const LATENCY = 'walcast_commit_to_socket_seconds';

export const metric = (snapshot: Snapshot, name: string): number => snapshot.metrics[name] ?? 0;

/** The series of a metric, by the value of its one label. */
export function series(snapshot: Snapshot, name: string): [string, number][] {
  const found = Object.entries(snapshot.metrics).filter(([key]) => key.startsWith(`${name}{`));
  return found.map(([key, value]) => [/="([^"]*)"/.exec(key)?.[1] ?? key, value ?? 0]);
}

/** How much a counter grew in a second; a counter that began anew grew from 0. */
function rate(name: string, now: Snapshot, before: Snapshot): number {
  const grown = metric(now, name) - metric(before, name);
  const seconds = (now.at - before.at) / 1000;
  return seconds > 0 ? Math.max(0, grown) / seconds : 0;
}

/** Of what was observed between two snapshots, the value below which this part of it lies, in milliseconds. */
export function quantile(part: number, now: Snapshot, before: Snapshot): number | null {
  const of = (snapshot: Snapshot, le: string) => metric(snapshot, `${LATENCY}_bucket{le="${le}"}`);
  const bounds = series(now, `${LATENCY}_bucket`).map(([le]) => le);
  const buckets = bounds
    .map((le) => ({ le: le === '+Inf' ? Infinity : Number(le), count: of(now, le) - of(before, le) }))
    .sort((a, b) => a.le - b.le);
  const total = buckets.at(-1)?.count ?? 0;
  if (total <= 0) return null;
  const rank = part * total;
  let [lower, below] = [0, 0];
  for (const { le, count } of buckets) {
    if (count >= rank) {
      if (le === Infinity) return lower * 1000;
      return (lower + ((le - lower) * (rank - below)) / Math.max(1, count - below)) * 1000;
    }
    [lower, below] = [le, count];
  }
  return null;
}

/** The points of the last minutes, from what came second by second. */
export class Series {
  points: Point[] = [];
  #recent: Snapshot[] = [];

  take(now: Snapshot) {
    const before = this.#recent.at(-1);
    // After an interruption nothing is known of what was between.
    if (before && now.at - before.at > 5_000) this.#recent = [];
    const last = this.#recent.at(-1);
    const first = this.#recent.at(-LATENCY_OVER) ?? this.#recent[0];
    this.#recent = [...this.#recent.slice(-LATENCY_OVER), now];
    if (!last || !first) return;
    this.points = [...this.points.slice(1 - SPAN), {
      at: now.at,
      events: rate('walcast_events_total', now, last),
      deliveries: rate('walcast_deliveries_total', now, last),
      changes: rate('walcast_changes_total', now, last),
      p50: quantile(0.5, now, first),
      p99: quantile(0.99, now, first),
      sockets: metric(now, 'walcast_sockets'),
      rooms: metric(now, 'walcast_rooms'),
    }];
  }
}
