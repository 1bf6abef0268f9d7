import type { Status } from './types.js';

/**
 * How the client stands to its server: a pure function from state and event to state and effects. What carries the effects
 * out is `Connection`.
 *
 *   stopped ──► connecting ──► live        a lost connection is made again by socket.io-client, with its own backoff
 *                  │  ▲ ▲        │
 *                  ▼  │ └────────┘
 *               polling, refused           sockets are tried on meanwhile; a refused token after a pause
 *
 *   paused                                 from any but stopped, when the page was hidden for long
 */
export type Phase = 'stopped' | 'connecting' | 'live' | 'polling' | 'refused' | 'paused';

export interface State {
  readonly phase: Phase;
  readonly hidden: boolean;
  /** Attempts in a row that brought no connection. */
  readonly _failures: number;
  /** The same, of tokens that were refused. */
  readonly _refusals: number;
  /** Whether the last poll was answered. */
  readonly _reachable: boolean;
}

export type Event =
  | 'connect' | 'disconnect'
  | 'connected' | 'lost' | 'failed' | 'refused' | 'retry'
  | 'polled' | 'unreachable'
  | 'hidden' | 'visible' | 'idle';

/** What runs, each by itself: it is begun and ended. Of `retry` and `idle` an event comes, after a while. */
export type Activity = 'socket' | 'polling' | 'retry' | 'idle';

export type Effect = [activity: Activity, begins: boolean];

export const initial: State = { phase: 'stopped', hidden: false, _failures: 0, _refusals: 0, _reachable: false };

export const statusOf = ({ phase, _reachable }: State): Status =>
  phase === 'live' ? phase : phase === 'polling' && _reachable ? phase : 'offline';

const isAway = ({ phase }: State) => phase === 'stopped' || phase === 'paused';

/** What runs in a state. */
const runs: Record<Activity, (state: State) => boolean> = {
  socket: (state) => !isAway(state) && state.phase !== 'refused',
  polling: ({ phase, hidden }) => phase === 'polling' && !hidden,
  retry: ({ phase }) => phase === 'refused',
  idle: (state) => state.hidden && !isAway(state),
};

export function step(state: State, event: Event, failuresBeforePolling: number): [State, Effect[]] {
  const after = { ...state, ...next(state, event, failuresBeforePolling) };
  const changes = (Object.keys(runs) as Activity[]).filter((activity) => runs[activity](state) !== runs[activity](after));
  return [after, changes.map((activity) => [activity, runs[activity](after)])];
}

function next(state: State, event: Event, failuresBeforePolling: number): Partial<State> {
  const { phase, hidden } = state;
  if (event === 'connect') return phase === 'stopped' ? { phase: 'connecting' } : {};
  if (event === 'disconnect') return { ...initial, hidden };
  if (event === 'hidden') return { hidden: true };
  if (event === 'visible') return { hidden: false, phase: phase === 'paused' ? 'connecting' : phase };
  // What comes late, of a connection that is not wanted any more.
  if (isAway(state)) return {};

  switch (event) {
    case 'connected':
      return { ...initial, hidden, phase: 'live' };
    case 'lost':
      return phase === 'live' ? { phase: 'connecting' } : {};
    case 'failed': {
      const failures = state._failures + 1;
      return { _failures: failures, phase: phase === 'connecting' && failures >= failuresBeforePolling ? 'polling' : phase };
    }
    case 'refused':
      return { phase: event, _refusals: state._refusals + 1, _reachable: false };
    case 'retry':
      return phase === 'refused' ? { phase: 'connecting' } : {};
    case 'polled':
    case 'unreachable':
      return { _reachable: event === 'polled' && phase === 'polling' };
    case 'idle':
      return hidden ? { ...initial, hidden, phase: 'paused' } : {};
  }
}
