import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';

/**
 * What an entry adds to a page beside socket.io-client before anything runs, gzipped, in bytes. What is loaded only when it
 * is needed (polling, writing, following tables, presence of one's own, many rooms) is not in it.
 */
export function sizeOf(entry) {
  const text = (file) => readFileSync(new URL(`dist/esm/${file}`, import.meta.url), 'utf8');
  const files = new Set([`${entry}.js`]);
  for (const file of files) {
    for (const [, other] of text(file).matchAll(/(?:from|import)\s*"\.\/([^"]+)"/g)) files.add(other);
  }
  return gzipSync([...files].map(text).join(''), { level: 9 }).length;
}
