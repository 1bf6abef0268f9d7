import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createServer } from 'vite';
import type { ViteDevServer } from 'vite';
import { client, run } from './tools.js';

/** An app such as `npm create vite` makes, into which the client was installed as npm packs it, served by Vite. */
export class App {
  private constructor(private readonly folder: string, private readonly server: ViteDevServer) {}

  static async serve(files: Record<string, string>): Promise<App> {
    const folder = mkdtempSync(join(tmpdir(), 'walcast-app.'));
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), text);
    }
    // What npm would fetch besides is there already.
    const modules = join(folder, 'node_modules');
    const installed = join(modules, 'walcast-client');
    mkdirSync(installed, { recursive: true });
    for (const name of ['react', 'react-dom', 'socket.io-client']) symlinkSync(`${client}node_modules/${name}`, join(modules, name));
    for (const [tool, ...args] of [
      ['npm', 'pack', '--ignore-scripts', '--pack-destination', folder],
      ['bash', '-c', `tar -xzf ${folder}/*.tgz --strip-components=1 -C ${installed}`],
    ] as const) {
      const { code, said } = await run(tool, args.slice());
      if (code) throw new Error(`${tool} ${args.join(' ')}: ${said}`);
    }
    const server = await createServer({
      root: folder, configFile: false, logLevel: 'error', esbuild: { jsx: 'automatic' }, server: { host: '127.0.0.1', port: 0 },
      // As the template's plugin for React does; what Vite finds later it answers by another load of the page.
      optimizeDeps: { include: ['react', 'react/jsx-dev-runtime', 'react-dom/client'] },
    });
    await server.listen();
    return new App(folder, server);
  }

  get port(): number {
    return (this.server.httpServer!.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    await this.server.close();
    rmSync(this.folder, { recursive: true });
  }
}
