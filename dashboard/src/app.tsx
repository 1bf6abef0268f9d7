import { useEffect, useState } from 'preact/hooks';
import type { Connection } from './connection';
import { clock, duration } from './format';
import { metric, type Snapshot } from './model';
import { Capacity } from './sections/capacity';
import { Doctor } from './sections/doctor';
import { Inspector } from './sections/inspector';
import { PublishedTables } from './sections/published';
import { Rooms } from './sections/rooms';
import { Stream } from './sections/stream';
import { Traffic } from './sections/traffic';
import { SignIn } from './signin';
import { applyTheme, chosenTheme, nextTheme } from './theme';

const SECTIONS = [
  ['stream', 'Stream'], ['traffic', 'Traffic'], ['capacity', 'Capacity'], ['rooms', 'Rooms'],
  ['events', 'Events'], ['published', 'Published'], ['doctor', 'Doctor'],
] as const;

const STATES: Record<string, { label: string; tone: 'good' | 'fair' | 'bad' }> = {
  ready: { label: 'Streaming', tone: 'good' },
  starting: { label: 'Catching up', tone: 'fair' },
  standby: { label: 'Standing by', tone: 'fair' },
  disconnected: { label: 'Database lost', tone: 'bad' },
  stopping: { label: 'Stopping', tone: 'bad' },
};

export function App({ connection }: { connection: Connection }) {
  const [, redraw] = useState(0);
  useEffect(() => connection.subscribe(() => redraw((count) => count + 1)), [connection]);
  const { phase, snapshot } = connection;
  if (phase.name === 'signed-out') return <SignIn connection={connection} problem={phase.problem} />;
  return (
    <>
      <a class="skip" href="#main">Skip to the content</a>
      <Header connection={connection} />
      <Notice connection={connection} />
      <main id="main" tabIndex={-1}>
        {snapshot ? <Sections connection={connection} snapshot={snapshot} /> : <p class="empty">Waiting for the server…</p>}
      </main>
    </>
  );
}

function Sections({ connection, snapshot }: { connection: Connection; snapshot: Snapshot }) {
  return (
    <>
      <Stream snapshot={snapshot} />
      <Traffic points={connection.series.points} />
      <Capacity snapshot={snapshot} />
      <Rooms connection={connection} snapshot={snapshot} />
      <Inspector connection={connection} />
      <PublishedTables connection={connection} />
      <Doctor connection={connection} />
    </>
  );
}

function Header({ connection }: { connection: Connection }) {
  const { snapshot, phase } = connection;
  const state = phase.name === 'live' && snapshot ? STATES[snapshot.state] : undefined;
  const started = snapshot ? metric(snapshot, 'process_start_time_seconds') : 0;
  return (
    <header>
      <div class="bar">
        <h1><img src={`${import.meta.env.BASE_URL}icon.svg`} alt="" width="24" height="24" /> walcast</h1>
        <span class={`pill ${state?.tone ?? 'fair'}`}>{state?.label ?? (phase.name === 'lost' ? 'Not connected' : 'Connecting')}</span>
        {snapshot && (
          <span class="about">
            {location.host} · {snapshot.version}
            {started > 0 && <> · up {duration(snapshot.at / 1000 - started)}</>}
          </span>
        )}
        <span class="actions">
          <ThemeButton />
          {connection.hasToken && <button type="button" class="quiet" onClick={() => connection.signOut()}>Sign out</button>}
        </span>
      </div>
      <nav aria-label="Sections">
        {SECTIONS.map(([id, name]) => <a key={id} href={`#${id}`}>{name}</a>)}
      </nav>
    </header>
  );
}

function ThemeButton() {
  const [theme, setTheme] = useState(chosenTheme());
  const next = () => {
    applyTheme(nextTheme(theme));
    setTheme(nextTheme(theme));
  };
  return <button type="button" class="quiet" onClick={next}>Theme: {theme}</button>;
}

/** What an operator must not overlook. Always there, so that a screen reader tells when it changes. */
function Notice({ connection }: { connection: Connection }) {
  const { phase, snapshot } = connection;
  return <div role="status" class="notices">{notice(phase, snapshot)}</div>;
}

function notice(phase: Connection['phase'], snapshot: Snapshot | null) {
  if (phase.name === 'lost') {
    const because = phase.because === 'standby' ? 'This server stands by: another one streams.'
      : phase.because === 'starting' ? 'The server is catching up with the log.'
      : phase.because === 'disconnected' ? 'The server has lost its database.'
      : 'The connection to the server is lost.';
    return (
      <p class="notice bad">
        <strong>{because}</strong> {snapshot && <>What is shown is of {clock(snapshot.at)}. </>}It is tried again by itself.
      </p>
    );
  }
  if (phase.name !== 'live' || !snapshot) return null;
  if (snapshot.state === 'standby') {
    return <p class="notice fair"><strong>This server stands by:</strong> another one streams from slot {snapshot.slot}. Sockets are there.</p>;
  }
  if (snapshot.state === 'disconnected') {
    return <p class="notice bad"><strong>The database is lost.</strong> Sockets stay, and hear nothing until it is back.</p>;
  }
  return null;
}
