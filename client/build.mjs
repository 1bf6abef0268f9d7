// Builds dist/: modules of both kinds, minified, each with its types.
import { execFileSync } from 'node:child_process';
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { minify } from 'terser';

process.chdir(fileURLToPath(new URL('.', import.meta.url)));
const run = (tool, ...args) => execFileSync(`node_modules/.bin/${tool}`, args, { stdio: 'inherit' });

rmSync('dist', { recursive: true, force: true });
run('vite', 'build', '--logLevel', 'warn');

for (const folder of ['dist/esm', 'dist/cjs']) {
  // Members that begin with an underscore are ours alone. All files must agree on what they are called instead.
  const nameCache = {};
  for (const file of readdirSync(folder, { recursive: true }).filter((name) => name.endsWith('.js')).sort()) {
    const options = {
      module: folder.endsWith('esm'), ecma: 2020, nameCache, compress: { passes: 3, directives: false }, mangle: { properties: { regex: /^_[a-z]/ } },
    };
    const { code } = await minify(readFileSync(`${folder}/${file}`, 'utf8'), options);
    // Once more: with short names more of it is worth inlining.
    const again = await minify(code, { ...options, mangle: true, nameCache: undefined });
    writeFileSync(`${folder}/${file}`, again.code);
  }
}

run('tsc', '--emitDeclarationOnly', '--declaration', '--outDir', 'dist/esm');
cpSync('dist/esm', 'dist/cjs', { recursive: true, filter: (file) => !file.endsWith('.js') });
// What a `.js` and a `.d.ts` are is said by the nearest package.json, and ours says ESM.
writeFileSync('dist/cjs/package.json', '{ "type": "commonjs" }\n');
