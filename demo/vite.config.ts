import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

const server = 'http://127.0.0.1:4000';

// What is built is committed: the same sources give the same files, on every machine. The client is taken from its sources,
// with the socket.io-client of this lock, so that nothing need be built or installed there before.
export default defineConfig({
  base: '/demo/',
  resolve: {
    alias: { 'walcast-client': fileURLToPath(new URL('../client/src/index.ts', import.meta.url)) },
    dedupe: ['socket.io-client'],
  },
  build: { target: 'es2022', modulePreload: false, assetsInlineLimit: 0, reportCompressedSize: false },
  server: { proxy: { '/socket.io': { target: server, ws: true }, '/api': server, '/demo/token': server, '/demo/sql': server } },
});
