import { dirname } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { bundle } from '../support/browser.js';
import { until } from '../support/until.js';
import type { Block } from './pages.js';
import type { Scene } from './scene.js';

const prelude = new URL('prelude.ts', import.meta.url).pathname;

/** What examples call when they hear something. */
const HEARS = /\b(getToken|freshToken|render|show|apply|merge|refetch|subscribeAndFetch|put|remove)\b/g;

/** What an example calls if it hears of everything that it listens to. */
export const callsOf = ({ text }: Block): string[] => [...new Set(text.replace(/\/\/.*/g, '').match(HEARS))].sort();

/** An example in a browser: a module of its own, which takes from the prelude what it does not declare. */
export class Reader {
  /** What was thrown there, or printed as an error; but not what the browser notes of answers, such as a 404 that is one. */
  readonly faults: string[] = [];
  /** The events that it said to the server. */
  readonly said: string[] = [];

  private constructor(readonly page: Page) {
    page.on('pageerror', (error) => this.faults.push(String(error)));
    page.on('console', (line) => line.type() === 'error' && !line.text().startsWith('Failed to load') && this.faults.push(line.text()));
    page.on('websocket', (socket) => socket.on('framesent', ({ payload }) => this.said.push(/\["([^"]+)"/.exec(String(payload))?.[1] ?? '')));
  }

  /** Waits until it has run to its end. */
  static async open(browser: Browser, scene: Scene, { text, language, page: source, line }: Block): Promise<Reader> {
    // Of React's, what it declares first is shown.
    const shown = language === 'tsx' && /function ([A-Z]\w*)/.exec(text)?.[1];
    const contents = `${scene.filled(text)};${shown ? `mount(${shown});` : ''}stage.isOver = true;`;
    const content = await bundle({
      stdin: { contents, loader: language === 'js' ? 'js' : 'tsx', resolveDir: dirname(prelude), sourcefile: `${source}:${line}` },
      format: 'esm', inject: [prelude], legalComments: 'none',
    });
    const page = await browser.newPage();
    const reader = new Reader(page);
    await page.route('**/favicon.ico', (route) => route.fulfill({ status: 204 }));
    await page.goto(`${scene.server.url}/healthz`);
    await page.evaluate(([url, token]) => void (globalThis.stage = { url, token, told: [], isOver: false }), [scene.server.url, scene.token] as const);
    await page.addScriptTag({ content, type: 'module' });
    await until(`${source}:${line} runs to its end`, async () => reader.faults.length || (await page.evaluate(() => stage.isOver)));
    return reader;
  }

  /** What it shows, in fields as well. */
  shows(): Promise<string> {
    return this.page.evaluate(() => [document.body.innerText, ...[...document.querySelectorAll('input')].map(({ value }) => value)].join('\n'));
  }

  /** Which of its functions were called. */
  async called(): Promise<string[]> {
    return [...new Set(await this.page.evaluate(() => stage.told))].sort();
  }

  close(): Promise<void> {
    return this.page.close();
  }
}
