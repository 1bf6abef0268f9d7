import type { Connection } from '../connection';
import { plural } from '../format';
import type { Published, PublishedTable } from '../model';
import { useAsked } from './asked';
import { Section } from './section';

export function PublishedTables({ connection }: { connection: Connection }) {
  const { answer, isAsking, ask } = useAsked<Published>(connection, 'published');
  return (
    <Section id="published" title="Published tables" aside={
      <button type="button" class="quiet" onClick={ask} aria-disabled={isAsking} aria-label="Look again at what is published">Look again</button>
    }>
      {!answer ? <p class="card empty">Asking the database…</p>
        : !answer.ok ? <p class="card empty">It is not known: {answer.error}.</p>
        : answer.data.tables.length === 0 ? <p class="card empty">The publication {answer.data.publication} has no table of yours.</p>
        : <ul class="tables">{answer.data.tables.map((table) => <Table key={table.table} table={table} />)}</ul>}
    </Section>
  );
}

/** What a rule says beside names, in words. */
const SAYS: [string, string][] = [
  ['id_column', 'id'], ['entity_type_column', 'entity type'], ['entity_id_column', 'entity id'], ['actor_column', 'written by'],
  ['creator_column', 'made by'], ['version_column', 'version'], ['writable', 'sockets write'], ['throttle_ms', 'told every (ms)'],
  ['nested', 'nested'],
];

function Table({ table }: { table: PublishedTable }) {
  const rule = table.rule ?? {};
  const says = SAYS.filter(([name]) => rule[name] !== null && rule[name] !== undefined);
  const text = (value: unknown) => Array.isArray(value) ? value.join(', ') || 'nothing' : typeof value === 'object' ? Object.values(value ?? {}).join(' / ') : String(value);
  return (
    <li class="card">
      <h3><code>{table.table}</code></h3>
      <p class="facts">
        <span class="chip">{table.prefix ? <><code>{table.prefix}:</code> {table.rule ? 'by a rule' : 'without a rule'}</> : 'its prefix is taken'}</span>
        <span class="chip">{plural(table.columns, 'column')}{table.hidden.length > 0 && `, ${table.hidden.length} hidden`}</span>
        <span class="chip">{table.isFull ? 'full identity' : 'identity not full'}</span>
        {table.key.length === 0 && <span class="chip fair">no primary key</span>}
        {table.isFiltered && <span class="chip">rows filtered</span>}
        {table.rowSecurity && <span class="chip">row security, {plural(table.policies, 'policy', 'policies')}</span>}
      </p>
      {says.length > 0 && (
        <dl class="says">
          {says.map(([name, label]) => <div key={name}><dt>{label}</dt><dd><code>{text(rule[name])}</code></dd></div>)}
        </dl>
      )}
    </li>
  );
}
