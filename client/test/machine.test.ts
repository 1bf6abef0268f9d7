import { describe, expect, test } from 'vitest';
import { initial, statusOf, step } from '../src/machine.js';
import type { Activity, Effect, Event, Phase, State } from '../src/machine.js';

const FAILURES = 3;

/** What runs in each phase while the page is looked at, and while it is hidden. */
const running: Record<Phase, [Activity[], Activity[]]> = {
  stopped: [[], []],
  connecting: [['socket'], ['socket', 'idle']],
  live: [['socket'], ['socket', 'idle']],
  polling: [['socket', 'polling'], ['socket', 'idle']],
  refused: [['retry'], ['retry', 'idle']],
  paused: [[], []],
};

/** The phase after each event; those that are not named stay as they are. `failed` is the last before polling. */
const table: Record<Event, Partial<Record<Phase, Phase>>> = {
  connect: { stopped: 'connecting' },
  disconnect: { stopped: 'stopped', connecting: 'stopped', live: 'stopped', polling: 'stopped', refused: 'stopped', paused: 'stopped' },
  connected: { connecting: 'live', polling: 'live', live: 'live', refused: 'live' },
  lost: { live: 'connecting' },
  failed: { connecting: 'polling' },
  refused: { connecting: 'refused', live: 'refused', polling: 'refused', refused: 'refused' },
  retry: { refused: 'connecting' },
  polled: {},
  unreachable: {},
  hidden: {},
  visible: { paused: 'connecting' },
  idle: {},
};
/** While the page is hidden, for long. */
const whenHidden: typeof table['idle'] = { connecting: 'paused', live: 'paused', polling: 'paused', refused: 'paused' };

const phases = Object.keys(running) as Phase[];
const events = Object.keys(table) as Event[];

describe.each(phases)('%s', (phase) => {
  test.each(events)('%s', (event) => {
    for (const hidden of [false, true]) {
      const state: State = { phase, hidden, _failures: FAILURES - 1, _refusals: 0, _reachable: phase === 'polling' };
      const [after, effects] = step(state, event, FAILURES);
      const expected = event === 'idle' && hidden ? whenHidden[phase] : table[event][phase];
      expect(after.phase, `hidden: ${hidden}`).toBe(expected ?? phase);
      expect(after.hidden).toBe(event === 'hidden' || (hidden && event !== 'visible'));
      const [before, now] = [running[phase][+hidden]!, running[after.phase][+after.hidden]!];
      const begun = now.filter((each) => !before.includes(each)).map((activity): Effect => [activity, true]);
      const ended = before.filter((each) => !now.includes(each)).map((activity): Effect => [activity, false]);
      const by = ([a]: Effect, [b]: Effect) => (a < b ? -1 : 1);
      expect([...effects].sort(by), `hidden: ${hidden}`).toEqual([...begun, ...ended].sort(by));
    }
  });
});

/** The states that events lead to, from the first on. */
const after = (...given: Event[]) => given.reduce((state, event) => step(state, event, FAILURES)[0], initial);

test('polling begins with the failure that is one too many, and what was connected counts anew', () => {
  expect(after('connect', 'failed', 'failed').phase).toBe('connecting');
  expect(after('connect', 'failed', 'failed', 'failed').phase).toBe('polling');
  expect(after('connect', 'failed', 'failed', 'connected', 'lost', 'failed', 'failed').phase).toBe('connecting');
});

test('tokens that are refused are counted until one is taken', () => {
  expect(after('connect', 'refused', 'retry', 'refused')._refusals).toBe(2);
  expect(after('connect', 'refused', 'retry', 'connected')._refusals).toBe(0);
});

test('the status says polling only while polls are answered', () => {
  const polling: Event[] = ['connect', 'failed', 'failed', 'failed'];
  expect(statusOf(after())).toBe('offline');
  expect(statusOf(after('connect', 'connected'))).toBe('live');
  expect(statusOf(after(...polling))).toBe('offline');
  expect(statusOf(after(...polling, 'polled'))).toBe('polling');
  expect(statusOf(after(...polling, 'polled', 'unreachable'))).toBe('offline');
  expect(statusOf(after(...polling, 'polled', 'connected', 'lost'))).toBe('offline');
  expect(statusOf(after('connect', 'connected', 'hidden', 'idle'))).toBe('offline');
});
