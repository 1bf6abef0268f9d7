import { useChanging } from './changing';
import type { Return } from './connection';
import { useDesk } from './desk';

/** What one should know now. Always there, so that a screen reader tells when it changes. */
export function Notice() {
  const desk = useDesk();
  useChanging(desk, desk.connection, desk.drafts, desk.company);
  return <div class="notices" role="status">{notice(desk)}</div>;
}

function notice(desk: ReturnType<typeof useDesk>) {
  const { connection, drafts, company, complaint } = desk;
  const { status, back, isCut, problem } = connection;
  if (complaint) {
    return <p class="notice bad"><span>{complaint}</span> <Close onClick={() => desk.complain(undefined)} /></p>;
  }
  if (status === 'offline') {
    const waiting = drafts.waiting === 0 ? 'What you change waits here.' : `${count(drafts.waiting, 'change')} of yours ${drafts.waiting === 1 ? 'waits' : 'wait'} here.`;
    const why = isCut ? 'You are offline.' : problem ? `There is no connection: ${problem}.` : 'There is no connection yet.';
    return (
      <p class="notice bad">
        <span><strong>{why}</strong> {isCut && <>The others go on, and so may you. {waiting}</>}</span>
      </p>
    );
  }
  if (status === 'polling') {
    return (
      <p class="notice fair">
        <span><strong>No socket can be had.</strong> The page asks every two seconds, and goes back to the socket by itself.</span>
      </p>
    );
  }
  if (back) return <p class="notice good"><span>{welcome(back)}</span> <Close onClick={() => connection.dismiss()} /></p>;
  if (company.others.length === 0) {
    return (
      <p class="notice">
        <span><strong>You are alone here.</strong> Open the page as another person, put the two side by side, and change something.</span>
      </p>
    );
  }
  return null;
}

function welcome({ seconds, caughtUp, isFetched }: Return) {
  const away = `Back after ${seconds} s:`;
  if (isFetched) return <><strong>{away}</strong> too much was missed to be told one by one, so the page was fetched again.</>;
  if (caughtUp === 0) return <><strong>{away}</strong> nothing had happened, and nothing was fetched again.</>;
  return <><strong>{away} {count(caughtUp, 'event')} caught up.</strong> None was missed, and nothing was fetched again.</>;
}

const count = (number: number, what: string) => `${number} ${what}${number === 1 ? '' : 's'}`;

const Close = ({ onClick }: { onClick: () => void }) => <button type="button" class="quiet" onClick={onClick}>Close</button>;
