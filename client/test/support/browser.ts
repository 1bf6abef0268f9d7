import { build } from 'esbuild';
import type { BuildOptions, Plugin } from 'esbuild';
import { chromium } from 'playwright-core';
import type { Browser } from 'playwright-core';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('../..', import.meta.url));

/** A Chromium without a window; `args` are more of its flags. */
export function launch(...args: string[]): Promise<Browser> {
  const quiet = ['background-networking', 'component-update', 'sync', 'gpu'].map((what) => `--disable-${what}`);
  return chromium.launch({
    executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
    args: ['--headless', '--no-sandbox', '--no-first-run', ...quiet, ...args],
  });
}

/** The client in a page is the one that is shipped, as in the other tests. */
const shipped: Plugin = {
  name: 'shipped',
  setup(build) {
    build.onResolve({ filter: /(\/src\/.*(index|dropin)\.js|^walcast-client(\/.*)?)$/ }, ({ path }) => {
      const entry = path.replace(/^.*\/src\/|^walcast-client\/?|\/?index\.js$|\.js$/g, '');
      return { path: `${folder}dist/esm/${entry === 'dropin' ? entry : `${entry}/index`.replace(/^\//, '')}.js` };
    });
  },
};

/** A module and all that it imports, as one script. */
export async function bundle(options: BuildOptions): Promise<string> {
  const { outputFiles } = await build({
    bundle: true, write: false, target: 'es2022', jsx: 'automatic', absWorkingDir: folder,
    define: { 'process.env.NODE_ENV': '"development"' },
    plugins: [shipped],
    ...options,
  });
  return outputFiles![0]!.text;
}
