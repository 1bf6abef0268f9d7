import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { binary } from './server.js';

/** `walcast dev`, as `make run` ends in, with a Postgres of its own in a folder. */
export class Development {
  private constructor(private readonly child: ChildProcess, private readonly printed: string[]) {}

  /** Waits until it has printed what to try. */
  static async start(folder: string, listen = '127.0.0.1:0'): Promise<Development> {
    const child = spawn(binary, ['dev', '--listen', listen, '--postgres-port', '0', '--dir', folder], { stdio: ['ignore', 'pipe', 'pipe'] });
    let faults = '';
    child.stderr.setEncoding('utf8').on('data', (more: string) => (faults += more));
    const printed: string[] = [];
    for await (const line of createInterface({ input: child.stdout })) {
      printed.push(line);
      if (line.includes('psql ')) return new Development(child, printed);
    }
    throw new Error(`walcast dev ended before it had begun: ${faults}`);
  }

  /** What it printed beside a name. */
  said(name: 'server' | 'database' | 'token'): string {
    return this.printed.map((line) => line.trim().split(/\s+/)).find(([first]) => first === name)![1]!;
  }

  /** By Ctrl-C. */
  async stop(): Promise<void> {
    const ended = once(this.child, 'exit');
    this.child.kill('SIGINT');
    await ended;
  }
}
