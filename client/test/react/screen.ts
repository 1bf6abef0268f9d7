import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll } from 'vitest';
import type { ClientOptions } from '../../src/index.js';
import { bundle, launch } from '../support/browser.js';
import { finally_ } from '../support/stage.js';
import type { Stage } from '../support/stage.js';
import { token } from '../support/token.js';
import { until } from '../support/until.js';
import type { Widget } from './page.js';

let browser: Browser;
let script: string;

/** What a file's tests share: a Chromium, and the page's script, of the latest React or an older one. */
export function useBrowser(react: 'react' | 'react-18' = 'react'): void {
  beforeAll(async () => {
    const alias = { react, 'react-dom': react.replace('react', 'react-dom') };
    const entry = new URL('page.tsx', import.meta.url).pathname;
    script = await bundle({ entryPoints: [entry], format: 'iife', ...(react === 'react' ? {} : { alias }) });
    browser = await launch();
  });
  afterAll(() => browser?.close());
}

type Shown = { data: any; fresh: boolean; pending: boolean; error?: string };

/** One person's page, in a browser context of its own. */
export class Screen {
  /** What the page said to the server, without what the server is asked by HTTP. */
  readonly said: string[] = [];
  /** What was thrown in it. */
  readonly faults: string[] = [];

  private constructor(readonly page: Page) {
    page.on('pageerror', (error) => this.faults.push(String(error)));
    page.on('console', (line) => line.type() === 'error' && line.text().includes('React') && this.faults.push(line.text()));
    page.on('websocket', (socket) => socket.on('framesent', ({ payload }) => this.said.push(/\["([^"]+)"/.exec(String(payload))?.[1] ?? '')));
  }

  static async open(stage: Stage, user = 'ann', options: Partial<ClientOptions> = {}): Promise<Screen> {
    const context = await browser.newContext();
    finally_(() => context.close());
    const screen = new Screen(await context.newPage());
    await screen.page.goto(`${stage.server.url}/healthz`);
    await screen.page.addScriptTag({ content: script });
    const impatient = { retryDelay: 20, retryDelayMax: 100, pollInterval: 30, grace: 5, ...options };
    await screen.page.evaluate(([url, token, options]) => walcast.open(url, token, options), [stage.proxy.url, token(user), impatient] as const);
    return screen;
  }

  show(...widgets: Widget[]): Promise<void> {
    return this.page.evaluate((widgets) => walcast.show(widgets), widgets);
  }

  shown<T = Shown>(key: string): Promise<T[]> {
    return this.page.evaluate((key) => walcast.shown(key) as any[], key);
  }

  async latest<T = Shown>(key: string): Promise<T | undefined> {
    return (await this.shown<T>(key)).at(-1);
  }

  async untilShown<T = Shown>(key: string, what: string, holds: (shown: T) => unknown): Promise<T> {
    return until(`${key}: ${what}`, async () => {
      const latest = await this.latest<T>(key);
      return latest !== undefined && holds(latest) ? latest : undefined;
    }) as Promise<T>;
  }

  /** What is shown of a column, one after the other as it changed. */
  async course(key: string, column: string): Promise<unknown[]> {
    const values = (await this.shown(key)).filter(({ data }) => data).map(({ data }) => (Array.isArray(data) ? data[0] : data)[column]);
    return values.filter((value, at) => at === 0 || value !== values[at - 1]);
  }

  update(key: string, args: unknown[], choice?: unknown): Promise<{ version?: number; code?: string; message?: string }> {
    return this.page.evaluate(([key, args, choice]) => walcast.update(key, args, choice), [key, args, choice] as const) as any;
  }
}
