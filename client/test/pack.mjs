// Installs the package, as it would be published, into a fresh app in a folder of its own: the app must type-check and build
// with every entry, and CommonJS must load those that need no browser. Run it after `npm run build`.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const client = fileURLToPath(new URL('..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'walcast-pack.'));
const app = join(folder, 'app');
const run = (cwd, command, ...args) => execFileSync(command, args, { cwd, stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8' });

try {
  const [{ filename, files }] = JSON.parse(run(client, 'npm', 'pack', '--json', '--ignore-scripts', '--pack-destination', folder));
  const strange = files.map(({ path }) => path).filter((path) => !/^(dist\/|package\.json$|README\.md$|LICENSE)/.test(path));
  if (strange.length) throw new Error(`the package holds what it should not: ${strange.join(', ')}; say in "files" of package.json what it is to hold`);

  cpSync(join(client, 'test/app'), app, { recursive: true, filter: (path) => !/node_modules|dist$/.test(path) });
  run(app, 'npm', 'ci', '--no-audit', '--no-fund', '--ignore-scripts');
  run(app, 'npm', 'install', '--no-save', '--no-audit', '--no-fund', '--ignore-scripts', join(folder, filename));
  try {
    run(app, 'npm', 'run', '--silent', 'check');
  } catch (error) {
    throw new Error(`the app does not type-check:\n${error.stdout}`);
  }
  run(app, 'npm', 'run', '--silent', 'build');
  for (const entry of ['walcast-client', 'walcast-client/dropin', 'walcast-client/react', 'walcast-client/supabase']) {
    const loads = [['--input-type=commonjs', '-e', `require('${entry}')`], ['--input-type=module', '-e', `await import('${entry}')`]];
    for (const args of loads) run(app, 'node', ...args);
  }
  console.log(`${filename}, ${files.length} files: a fresh app type-checks and builds (${readdirSync(join(app, 'dist/assets')).length} chunks)`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
