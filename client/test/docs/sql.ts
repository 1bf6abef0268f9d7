import { readFileSync } from 'node:fs';
import { Database } from '../support/database.js';
import { binary } from '../support/server.js';
import { inPlace, root } from './pages.js';
import type { Block } from './pages.js';
import { run } from './tools.js';

export const psql = process.env['PG_BIN'] ? `${process.env['PG_BIN']}/psql` : 'psql';

/** A database as a DBA has prepared it, to be cloned for each page. */
export class Template {
  private constructor(private readonly database: Database) {}

  static async create(): Promise<Template> {
    const database = await Database.create();
    const migrated = await run(binary, ['migrate'], { env: { DATABASE_URL: database.url } });
    if (migrated.code) throw new Error(`walcast migrate: ${migrated.said}`);
    for (const file of ['sql/publication.sql', 'sql/roles.sql', 'client/test/docs/tables.sql']) await must(database.url, file);
    await database.leave();
    return new Template(database);
  }

  clone(): Promise<Database> {
    return Database.create(this.database.name);
  }

  drop(): Promise<void> {
    return this.database.drop();
  }
}

/** What Postgres refuses of a page's blocks, run in order by one session; or nothing. */
export function refusalOf(database: Database, blocks: Block[]): Promise<string> {
  // One text with each block at its line, so that what psql says of it names the line of the page.
  const text = blocks.reduce((before, block) => before + inPlace(block).slice(before.split('\n').length - 1), '');
  return execute(database.url, text, blocks[0]?.page ?? '');
}

export async function must(url: string, file: string): Promise<void> {
  const refusal = await execute(url, readFileSync(`${root}/${file}`, 'utf8'), file);
  if (refusal) throw new Error(refusal);
}

/** By psql, for it knows where a statement ends. What it refused, or nothing. */
async function execute(url: string, text: string, file: string): Promise<string> {
  const options = ['-X', '-q', '-o', '/dev/null', '-v', 'ON_ERROR_STOP=1', '-v', "password='secret'", '-f', '-'];
  const { code, said } = await run(psql, [...options, url], { input: text, env: { PGOPTIONS: '-c client_min_messages=warning' } });
  return code ? said.replaceAll('psql:<stdin>', file) : '';
}
