import { useState } from 'preact/hooks';
import { ask } from './ask';
import { useChanging } from './changing';
import { useDesk } from './desk';
import { TONES } from './tone';

interface Ran {
  sql: string;
  rows: number;
}

/** Plain SQL, past every socket: what it commits comes back like anything else. */
export function SqlPanel() {
  const desk = useDesk();
  useChanging(desk);
  const components = desk.components ?? [];
  const [kind, setKind] = useState<'rename' | 'paint'>('rename');
  const [chosen, choose] = useState<string>();
  const [name, setName] = useState('Hello from SQL');
  const [tone, setTone] = useState<string>('rose');
  const [ran, setRan] = useState<Ran>();
  const componentId = components.find(({ id }) => id === chosen)?.id ?? components[0]?.id;
  const run = (event: Event) => {
    event.preventDefault();
    setRan(undefined);
    const edit = kind === 'rename' ? { kind, componentId, name } : { kind, tone };
    void desk.attempt(async () => setRan(await ask<Ran>('/demo/sql', edit)));
  };
  return (
    <section class="panel sql" aria-labelledby="sql">
      <div class="heading">
        <h2 id="sql">Plain SQL</h2>
        <span class="switch" role="group" aria-label="What it changes">
          <button type="button" aria-pressed={kind === 'rename'} onClick={() => setKind('rename')}>One row</button>
          <button type="button" aria-pressed={kind === 'paint'} onClick={() => setKind('paint')}>Every row</button>
        </span>
      </div>
      <form onSubmit={run}>
        <div class="statement">
          <p><b>UPDATE</b> components</p>
          {kind === 'rename' ? (
            <>
              <p><b>SET</b> name = '<input type="text" aria-label="The new name" value={name} onInput={(event) => setName(event.currentTarget.value)} />'</p>
              <p>
                <b>WHERE</b> id = '
                <select aria-label="Which component" value={componentId} onChange={(event) => choose(event.currentTarget.value)}>
                  {components.map((component) => <option key={component.id} value={component.id}>{component.name}</option>)}
                </select>'
              </p>
            </>
          ) : (
            <>
              <p>
                <b>SET</b> data = data || {'\'{"tone": "'}
                <select aria-label="Which tone" value={tone} onChange={(event) => setTone(event.currentTarget.value)}>
                  {TONES.map((each) => <option key={each}>{each}</option>)}
                </select>
                {'"}\''}
              </p>
              <p><b>WHERE</b> entity_type = 'page' <b>AND</b> entity_id = '1'</p>
            </>
          )}
        </div>
        <div class="run">
          <button type="submit">Run it</button>
          <output>{ran && `UPDATE ${ran.rows}`}</output>
        </div>
        {ran && <pre tabIndex={0} aria-label="What was run">{ran.sql}</pre>}
      </form>
    </section>
  );
}
