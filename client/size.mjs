import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

/** What an entry adds to a page beside socket.io-client, minified and gzipped as a bundler and a server would, in bytes. */
export async function sizeOf(entry) {
  const { outputFiles } = await build({
    entryPoints: [entry], bundle: true, minify: true, write: false, format: 'esm', target: 'es2022', external: ['socket.io-client'],
  });
  return gzipSync(outputFiles[0].contents, { level: 9 }).length;
}
