import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Database } from './database.js';
import { SECRET } from './token.js';

export const binary = process.env['WALCAST'] ?? fileURLToPath(new URL('../../../target/debug/walcast', import.meta.url));

/** `walcast serve` on a database. */
export class Server {
  private constructor(private readonly child: ChildProcess, readonly port: number) {}

  /** Waits until it streams. */
  static async start(database: Database, settings: Record<string, string> = {}): Promise<Server> {
    const { PATH = '' } = process.env;
    const child = spawn(binary, ['serve', '--log-format', 'json'], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: {
        PATH, DATABASE_URL: database.url, JWT_SECRET: SECRET, WALCAST_SLOT: database.name, WALCAST_LISTEN: '127.0.0.1:0',
        WALCAST_MIGRATE: 'true', FRONTEND_URL: '*', ...settings,
      },
    });
    const said: string[] = [];
    let port = 0;
    for await (const line of createInterface({ input: child.stderr! })) {
      said.push(line);
      const { message, address, to } = parse(line);
      if (message === 'listening') port = Number(address?.split(':').at(-1));
      if (message === 'state' && to === 'Ready' && port) {
        child.stderr!.resume();
        return new Server(child, port);
      }
    }
    throw new Error(`walcast ended before it was ready: ${said.join('\n')}`);
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<unknown> {
    const ended = once(this.child, 'exit');
    this.child.kill(signal);
    return ended;
  }
}

function parse(line: string): { message?: string; address?: string; to?: string } {
  try {
    return JSON.parse(line);
  } catch {
    return {};
  }
}
