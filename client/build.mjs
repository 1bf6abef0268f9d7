// Builds dist/: modules of both kinds, each with its types.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

process.chdir(fileURLToPath(new URL('.', import.meta.url)));
const run = (tool, ...args) => execFileSync(`node_modules/.bin/${tool}`, args, { stdio: 'inherit' });

rmSync('dist', { recursive: true, force: true });
run('vite', 'build', '--logLevel', 'warn');
run('tsc', '--emitDeclarationOnly', '--declaration', '--outDir', 'dist/esm');
mkdirSync('dist/cjs', { recursive: true });
cpSync('dist/esm', 'dist/cjs', { recursive: true, filter: (file) => !file.endsWith('.js') });
// What a `.js` and a `.d.ts` are is said by the nearest package.json, and ours says ESM.
writeFileSync('dist/cjs/package.json', '{ "type": "commonjs" }\n');
