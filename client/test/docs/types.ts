import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inPlace } from './pages.js';
import type { Block } from './pages.js';
import { client, run } from './tools.js';

/** What tsc has to say of blocks, each a module of its own, beside the package as it is built. */
export async function typeErrors(blocks: Block[]): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'walcast-docs.'));
  try {
    symlinkSync(`${client}/node_modules`, join(folder, 'node_modules'));
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
    for (const block of blocks) {
      // An await at the top, and names that other blocks declare too, need a module.
      const name = `${block.page.replaceAll('/', '.')}.${block.line}.${block.language}`;
      writeFileSync(join(folder, name), `${inPlace(block)}export {};\n`);
    }
    const dist = `${client}/dist/esm`;
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({
      extends: `${client}/tsconfig.json`,
      compilerOptions: {
        rootDir: '/', noEmit: true, jsx: 'react-jsx', allowJs: true, checkJs: true,
        // Examples in JavaScript name no types, and whoever reads one of them does not use all that it declares.
        noImplicitAny: false, noUnusedLocals: false, noUnusedParameters: false,
        paths: { 'walcast-client': [`${dist}/index.d.ts`], 'walcast-client/dropin': [`${dist}/dropin.d.ts`], 'walcast-client/*': [`${dist}/*/index.d.ts`] },
      },
      include: ['*', `${client}/test/docs/ambient.d.ts`],
      exclude: ['node_modules'],
    }));
    const { said } = await run(`${client}/node_modules/.bin/tsc`, ['-p', folder, '--pretty', 'false'], { cwd: folder });
    return said;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
