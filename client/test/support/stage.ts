import { afterEach } from 'vitest';
import { createClient } from '../../src/index.js';
import type { Client, ClientOptions } from '../../src/index.js';
import { Database } from './database.js';
import { Proxy } from './proxy.js';
import { Server } from './server.js';
import { token } from './token.js';

const endings: (() => unknown)[] = [];

/** What a test has begun ends with it, the last first. */
export function finally_(ending: () => unknown): void {
  endings.push(ending);
}

afterEach(async () => {
  for (const ending of endings.splice(0).reverse()) await ending();
});

/** Short pauses: nothing here is measured by a clock. */
const IMPATIENT = { retryDelay: 20, retryDelayMax: 100, pollInterval: 30, grace: 5 };

/** A client with impatient settings, and the errors that it told. */
export function clientOf(url: string, options: Partial<ClientOptions> = {}): Client & { errors: Error[] } {
  const client = createClient(url, { token: () => token('ann'), ...IMPATIENT, ...options });
  const errors: Error[] = [];
  client.on('error', (error) => errors.push(error));
  finally_(() => client.close());
  return Object.assign(client, { errors });
}

/** A database, a walcast on it, and a proxy in front. */
export class Stage {
  private constructor(readonly db: Database, public server: Server, readonly proxy: Proxy, private readonly settings: Record<string, string>) {}

  static async set(settings: Record<string, string> = {}): Promise<Stage> {
    const db = await Database.create();
    finally_(() => db.drop());
    const server = await Server.start(db, settings);
    const proxy = await Proxy.start(server.port);
    const stage = new Stage(db, server, proxy, settings);
    finally_(() => stage.server.stop());
    finally_(() => proxy.stop());
    return stage;
  }

  client(options: Partial<ClientOptions> = {}): Client & { errors: Error[] } {
    return clientOf(this.proxy.url, options);
  }

  async restart(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM', whileDown: () => unknown = () => {}): Promise<void> {
    await this.server.stop(signal);
    await whileDown();
    this.server = await Server.start(this.db, this.settings);
    this.proxy.target = this.server.port;
  }
}

/** As rows are compared: times are written in another way by SQL, and the order of a list is not promised. */
export function comparable(rows: readonly object[]): Record<string, unknown>[] {
  const plain = rows.map((row) => {
    const { created_at, updated_at, ...rest } = row as Record<string, unknown>;
    return rest;
  });
  return plain.sort((a, b) => (String(a['id']) < String(b['id']) ? -1 : 1));
}
