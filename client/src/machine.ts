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
  readonly failures: number;
  /** The same, of tokens that were refused. */
  readonly refusals: number;
  /** Whether the last poll was answered. */
  readonly reachable: boolean;
}

export type Event =
  | 'connect' | 'disconnect'
  | 'connected' | 'lost' | 'failed' | 'refused' | 'retry'
  | 'polled' | 'unreachable'
  | 'hidden' | 'visible' | 'idle';

/** `arm`, `disarm`: the clock after which a hidden page is `idle`. `retry`: comes back as the event, after a pause. */
export type Effect = 'open' | 'close' | 'poll' | 'rest' | 'retry' | 'arm' | 'disarm';

export const initial: State = { phase: 'stopped', hidden: false, failures: 0, refusals: 0, reachable: false };

export const statusOf = ({ phase, reachable }: State): Status =>
  phase === 'live' ? 'live' : phase === 'polling' && reachable ? 'polling' : 'offline';

export function step(state: State, event: Event, failuresBeforePolling = 3): [State, Effect[]] {
  const { phase, hidden } = state;
  const to = (next: Partial<State>, ...effects: Effect[]): [State, Effect[]] => [{ ...state, ...next }, effects];
  const isAway = phase === 'stopped' || phase === 'paused';

  switch (event) {
    case 'connect':
      return phase === 'stopped' ? to({ phase: 'connecting' }, 'open', ...(hidden ? ['arm' as const] : [])) : to({});
    case 'disconnect':
      return to({ ...initial, hidden }, 'close', 'rest', 'disarm');
    case 'hidden':
      return hidden ? to({}) : to({ hidden: true }, ...(isAway ? [] : (['rest', 'arm'] as const)));
    case 'visible':
      if (!hidden) return to({});
      if (phase === 'paused') return to({ hidden: false, phase: 'connecting' }, 'disarm', 'open');
      return to({ hidden: false }, 'disarm', ...(phase === 'polling' ? ['poll' as const] : []));
  }

  // What comes late, of a connection that is not wanted any more.
  if (isAway) return to({}, ...(event === 'connected' ? ['close' as const] : []));

  switch (event) {
    case 'idle':
      return hidden ? to({ ...initial, hidden, phase: 'paused' }, 'close', 'rest') : to({});
    case 'connected':
      return to({ phase: 'live', failures: 0, refusals: 0, reachable: false }, 'rest');
    case 'lost':
      return phase === 'live' ? to({ phase: 'connecting' }) : to({});
    case 'failed': {
      const failures = state.failures + 1;
      if (phase !== 'connecting' || failures < failuresBeforePolling) return to({ failures });
      return to({ phase: 'polling', failures }, ...(hidden ? [] : (['poll'] as const)));
    }
    case 'refused':
      return to({ phase: 'refused', refusals: state.refusals + 1, reachable: false }, 'rest', 'retry');
    case 'retry':
      return phase === 'refused' ? to({ phase: 'connecting' }, 'open') : to({});
    case 'polled':
      return to({ reachable: phase === 'polling' });
    case 'unreachable':
      return to({ reachable: false });
  }
}
