import { defineConfig } from 'vitest/config';

// Both kinds of modules, each in a folder of its own with its types beside it (build.mjs).
const formats = { esm: 'es', cjs: 'cjs' } as const;

export default defineConfig({
  build: {
    target: 'es2022',
    minify: false,
    sourcemap: false,
    lib: { entry: { index: 'src/index.ts', dropin: 'src/dropin.ts' } },
    rollupOptions: {
      external: ['socket.io-client'],
      output: Object.entries(formats).map(([folder, format]) => ({
        format, dir: `dist/${folder}`, entryFileNames: '[name].js', chunkFileNames: '[name].js', exports: 'named' as const,
      })),
    },
  },
  // The tests drive what is shipped: names are shortened there.
  resolve: { alias: process.env['VITEST'] ? [{ find: /^.*\/src\/(index|dropin)\.js$/, replacement: `${__dirname}/dist/esm/$1.js` }] : [] },
  test: { include: ['test/**/*.test.ts'], testTimeout: 60_000, hookTimeout: 60_000 },
});
