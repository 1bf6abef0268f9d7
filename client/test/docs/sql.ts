import { readFileSync } from 'node:fs';
import { binary } from '../support/server.js';
import { inPlace, root } from './pages.js';
import type { Block } from './pages.js';
import { client, run } from './tools.js';

const admin = process.env['WALCAST_TEST_POSTGRES'] ?? '';
const psql = process.env['PG_BIN'] ? `${process.env['PG_BIN']}/psql` : 'psql';
const urlOf = (database: string): string => admin.replace(/\/postgres$/, `/${database}`);

/** A database as a DBA has prepared it, to be cloned for each page. */
export class Template {
  private clones = 0;

  private constructor(private readonly name: string) {}

  static async create(): Promise<Template> {
    if (!admin) throw new Error('WALCAST_TEST_POSTGRES is not set: run this by `make client-test`, or beside scripts/with-postgres.sh');
    const template = new Template(`docs_${process.pid}`);
    await must(admin, `CREATE DATABASE ${template.name}`);
    const migrated = await run(binary, ['migrate'], { env: { DATABASE_URL: urlOf(template.name) } });
    if (migrated.code) throw new Error(`walcast migrate: ${migrated.said}`);
    const scripts = ['publication', 'roles'].map((name) => `${root}/sql/${name}.sql`);
    for (const file of [...scripts, `${client}/test/docs/tables.sql`]) await must(urlOf(template.name), readFileSync(file, 'utf8'), file);
    return template;
  }

  /** What Postgres refuses of a page's blocks: run in order, by one session, in a database of their own. */
  async refusalOf(blocks: Block[]): Promise<string> {
    const clone = `${this.name}_${this.clones++}`;
    await must(admin, `CREATE DATABASE ${clone} TEMPLATE ${this.name}`);
    // One text with each block at its line, so that what psql says of it names the line of the page.
    const text = blocks.reduce((before, block) => before + inPlace(block).slice(before.split('\n').length - 1), '');
    const refusal = await execute(urlOf(clone), text, blocks[0]!.page);
    await drop(clone);
    return refusal;
  }

  drop(): Promise<void> {
    return drop(this.name);
  }
}

const drop = (name: string): Promise<void> => must(admin, `DROP DATABASE ${name} WITH (FORCE)`);

async function must(url: string, text: string, file = text): Promise<void> {
  const refusal = await execute(url, text, file);
  if (refusal) throw new Error(refusal);
}

/** By psql, for it knows where a statement ends. What it refused, or nothing. */
async function execute(url: string, text: string, file: string): Promise<string> {
  const options = ['-X', '-q', '-o', '/dev/null', '-v', 'ON_ERROR_STOP=1', '-v', "password='secret'", '-f', '-'];
  const { code, said } = await run(psql, [...options, url], { input: text, env: { PGOPTIONS: '-c client_min_messages=warning' } });
  return code ? said.replaceAll('psql:<stdin>', file) : '';
}
