import { useState } from 'preact/hooks';
import type { Connection } from '../connection';
import { duration, plural } from '../format';
import type { Finding } from '../model';
import { useAsked } from './asked';
import { Section } from './section';

export function Doctor({ connection }: { connection: Connection }) {
  const { answer, isAsking, ask } = useAsked<{ findings: Finding[]; secondsAgo: number }>(connection, 'doctor');
  return (
    <Section id="doctor" title="Doctor" aside={
      <button type="button" class="quiet" onClick={ask} aria-disabled={isAsking}>Examine again</button>
    }>
      <p class="note said" role="status">
        {isAsking ? 'Examining…' : !answer?.ok ? '' : `${answer.data.findings.length === 0 ? 'All is well' : plural(answer.data.findings.length, 'finding')}, ${answer.data.secondsAgo < 2 ? 'just now' : `${duration(answer.data.secondsAgo)} ago`}.`}
      </p>
      {!answer ? null
        : !answer.ok ? <p class="card empty">The database could not be examined: {answer.error}.</p>
        : answer.data.findings.length === 0 ? <p class="card empty">Nothing is wrong with the database.</p>
        : <ul class="findings">{answer.data.findings.map((finding) => <Item key={finding.name + finding.what} finding={finding} />)}</ul>}
    </Section>
  );
}

/** Names stand between backticks. */
function Prose({ text }: { text: string }) {
  return <>{text.split('`').map((piece, at) => (at % 2 === 1 ? <code key={at}>{piece}</code> : piece))}</>;
}

const TONES = { error: 'bad', warning: 'fair', note: '' };

function Item({ finding }: { finding: Finding }) {
  const [copied, setCopied] = useState(false);
  const copy = () => navigator.clipboard?.writeText(finding.remedy).then(() => setCopied(true), () => setCopied(false));
  return (
    <li class={`card finding ${TONES[finding.severity]}`}>
      <h3><span class={`chip ${TONES[finding.severity]}`}>{finding.severity}</span> <Prose text={finding.what} /></h3>
      <p><Prose text={finding.why} /></p>
      <div class="remedy">
        <pre tabIndex={0} role="region" aria-label={`Remedy of ${finding.name}`}>{finding.remedy}</pre>
        {window.isSecureContext && <button type="button" class="quiet" onClick={copy} aria-label={`Copy the remedy of ${finding.name}`}>{copied ? 'Copied' : 'Copy'}</button>}
      </div>
    </li>
  );
}
