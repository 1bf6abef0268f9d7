import { defineConfig } from 'vitest/config';

// Both kinds of modules, each in a folder of its own with its types beside it (build.mjs).
const formats = { esm: 'es', cjs: 'cjs' } as const;

export default defineConfig({
  build: {
    target: 'es2022',
    minify: false,
    sourcemap: false,
    lib: {
      entry: {
        index: 'src/index.ts', dropin: 'src/dropin.ts', 'react/index': 'src/react/index.ts', 'supabase/index': 'src/supabase/index.ts',
      },
    },
    rollupOptions: {
      external: ['socket.io-client', 'react'],
      output: Object.entries(formats).map(([folder, format]) => ({
        format, dir: `dist/${folder}`, entryFileNames: '[name].js', chunkFileNames: '[name].js', exports: 'named' as const,
        // Whoever has the one has the other: apart they would be larger.
        manualChunks: (id) => (/src\/(client|reduce)\.ts$/.test(id) ? 'client' : undefined),
        // Frameworks that render on a server must know that hooks are for the browser.
        banner: ({ name }) => (name === 'react/index' ? "'use client';" : ''),
      })),
    },
  },
  // The tests drive what is shipped: names are shortened there.
  resolve: { alias: process.env['VITEST'] ? [{ find: /^.*\/src\/((?:react\/|supabase\/)?index|dropin)\.js$/, replacement: `${__dirname}/dist/esm/$1.js` }] : [] },
  test: { include: ['test/**/*.test.ts'], testTimeout: 60_000, hookTimeout: 60_000 },
});
