import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Database } from '../support/database.js';
import { binary } from '../support/server.js';
import { SECRET } from '../support/token.js';
import { root } from './pages.js';
import type { Scene } from './scene.js';
import { psql } from './sql.js';

/**
 * Runs what the docs give a shell, by bash, which stops at the first command that fails; curl fails on what is no success.
 * A server that goes on until it is ended is ended when it is ready.
 */
export async function shell(scene: Scene, text: string): Promise<{ code: number | null; said: string }> {
  const isNew = text.includes('sql/publication.sql');
  const database = isNew ? await Database.create() : scene.database;
  const home = mkdtempSync(join(tmpdir(), 'walcast-shell.'));
  writeFileSync(join(home, '.curlrc'), 'fail-with-body\nsilent\nshow-error\n');
  const { hostname, port, username } = new URL(database.url);
  try {
    const child = spawn('bash', ['-euo', 'pipefail', '-c', `trap : TERM\n${scene.filled(text, database)}`], {
      cwd: root, detached: true, stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: [dirname(binary), dirname(psql), process.env['PATH']].join(':'), HOME: home, CURL_HOME: home,
        PGHOST: hostname, PGPORT: port, PGUSER: username, PGDATABASE: database.name,
        TOKEN: scene.token, JWT_SECRET: SECRET, WALCAST_SLOT: database.name, WALCAST_LISTEN: '127.0.0.1:0', WALCAST_LOG_FORMAT: 'json',
      },
    });
    let said = '';
    let isAsked = false;
    for (const out of [child.stdout, child.stderr]) {
      out.setEncoding('utf8').on('data', (more: string) => {
        said += more;
        if (!isAsked && (isAsked = said.includes('"to":"Ready"'))) process.kill(-child.pid!, 'SIGTERM');
      });
    }
    const [code] = await once(child, 'close');
    return { code, said };
  } finally {
    rmSync(home, { recursive: true });
    if (isNew) await database.drop();
  }
}
