import { defineConfig } from 'vite';

// What is built is committed: the same sources give the same files, on every machine.
export default defineConfig({
  base: '/dashboard/',
  build: { target: 'es2022', modulePreload: false, assetsInlineLimit: 0, reportCompressedSize: false },
  server: { proxy: { '/socket.io': { target: 'http://127.0.0.1:4000', ws: true }, '/readyz': 'http://127.0.0.1:4000' } },
});
