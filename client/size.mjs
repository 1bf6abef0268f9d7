import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

/**
 * What an entry adds to a page beside socket.io-client before anything runs, as a bundler makes it and a server sends it:
 * minified, gzipped, in bytes. What is loaded only when it is needed is not in it.
 */
export async function sizeOf(entry) {
  const { outputFiles, metafile } = await build({
    entryPoints: { entry }, bundle: true, splitting: true, minify: true, write: false, metafile: true, outdir: '/',
    format: 'esm', target: 'es2022', external: ['socket.io-client'],
  });
  const code = new Map(outputFiles.map(({ path, contents }) => [path, contents]));
  const needed = new Set(['entry.js']);
  const chunks = new Map(Object.entries(metafile.outputs).map(([path, output]) => [path.split('/').at(-1), output]));
  for (const name of needed) {
    for (const { path, kind, external } of chunks.get(name).imports) {
      if (kind === 'import-statement' && !external) needed.add(path.split('/').at(-1));
    }
  }
  return gzipSync(Buffer.concat([...needed].map((name) => code.get(`/${name}`))), { level: 9 }).length;
}
