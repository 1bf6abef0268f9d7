import { useState } from 'preact/hooks';
import { applyTheme, chosenTheme, nextTheme } from '../../dashboard/src/theme';
import { Avatar } from './avatar';
import { useChanging } from './changing';
import { useDesk } from './desk';
import { freeName } from './person';

const STATUS = {
  live: { label: 'Live', tone: 'good', means: 'Changes come over a socket, as they are committed.' },
  polling: { label: 'Polling', tone: 'fair', means: 'No socket can be had: the page asks every two seconds.' },
  offline: { label: 'Offline', tone: 'bad', means: 'There is no connection to the server.' },
} as const;

export function Header() {
  return (
    <header>
      <div class="bar">
        <h1><img src={`${import.meta.env.BASE_URL}icon.svg`} alt="" width="26" height="26" /> walcast <span class="muted">demo</span></h1>
        <Line />
        <Faces />
        <span class="actions">
          <AnotherPerson />
          <a class="button quiet wide" href="/dashboard">Dashboard</a>
          <ThemeButton />
        </span>
      </div>
    </header>
  );
}

/** Opens this page as somebody who is not here yet. */
function AnotherPerson() {
  const { company, me } = useDesk();
  const name = (link: HTMLAnchorElement) => {
    link.search = new URLSearchParams({ as: freeName([me, ...company.others.map((person) => person.name)]) }).toString();
  };
  return <a class="button quiet" href="/" target="_blank" rel="noopener" onClick={(event) => name(event.currentTarget)}>Another person</a>;
}

/** How we are connected, and the switch that cuts the line. */
function Line() {
  const { connection } = useDesk();
  useChanging(connection);
  const { label, tone, means } = STATUS[connection.status];
  return (
    <span class="line">
      <span class={`pill ${tone}`} title={means}>{label}</span>
      <button type="button" class="quiet" onClick={() => (connection.isCut ? connection.mend() : connection.cut())}>
        {connection.isCut ? 'Go online' : 'Go offline'}
      </button>
    </span>
  );
}

function Faces() {
  const { company, me } = useDesk();
  useChanging(company);
  return (
    <ul class="faces" aria-label="Who is here">
      {company.others.map((person) => <li key={person.name}><Avatar {...person} says="is here" /></li>)}
      <li class="me"><Avatar name={me} colour={company.colour ?? '#55636f'} says="is you" /> <span class="called">{me} <span class="muted">(you)</span></span></li>
    </ul>
  );
}

function ThemeButton() {
  const [theme, setTheme] = useState(chosenTheme());
  const next = () => {
    applyTheme(nextTheme(theme));
    setTheme(nextTheme(theme));
  };
  return (
    <button type="button" class="quiet square" aria-label={`Theme: ${theme}`} title={`Theme: ${theme}`} onClick={next}>
      <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
        <circle cx="8" cy="8" r="6" /><path d={theme === 'dark' ? 'M8 2a6 6 0 0 0 0 12a6 6 0 0 0 0-12z' : theme === 'light' ? '' : 'M8 2a6 6 0 0 1 0 12z'} fill="currentColor" />
      </svg>
    </button>
  );
}
