import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { App } from './docs/app.js';
import { blocksOf } from './docs/pages.js';
import { psql } from './docs/sql.js';
import { run } from './docs/tools.js';
import { launch } from './support/browser.js';
import { Development } from './support/development.js';
import { finally_ } from './support/stage.js';
import { until } from './support/until.js';

const [main, component, create, change, changeComponents] = (() => {
  const blocks = blocksOf('docs/quick-start.md');
  const of = (wanted: string) => blocks.filter(({ language }) => language === wanted).map(({ text }) => text);
  return [...of('ts'), ...of('tsx'), ...of('sql')] as [string, string, string, string, string];
})();

const pageOf = (id: string, script: string) => `<!doctype html><body><div id="${id}"></div><script type="module" src="/src/${script}"></script></body>`;
const root = `
  import { createRoot } from 'react-dom/client';
  import App from './App.tsx';
  createRoot(document.getElementById('root')).render(<App />);
`;

/** Where a reader follows the quick start, up to `make run`. */
async function desk(): Promise<{ walcast: Development; sql(text: string): Promise<string>; again(): Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), 'walcast-quick-start.'));
  finally_(() => rmSync(folder, { recursive: true }));
  const desk = {
    walcast: await Development.start(join(folder, 'dev')),
    async sql(text: string) {
      const { code, said } = await run(psql, ['-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1', desk.walcast.said('database')], { input: text });
      expect({ code, said }).toEqual({ code: 0, said: expect.any(String) });
      return said.trim();
    },
    /** Ctrl-C, and `make run` again. */
    async again() {
      const { host } = new URL(desk.walcast.said('server'));
      await desk.walcast.stop();
      desk.walcast = await Development.start(join(folder, 'dev'), host);
    },
  };
  finally_(() => desk.walcast.stop());
  return desk;
}

/** `npm run dev`, and the address that it prints; the ports are others than there, of which the browser knows nothing. */
async function open({ walcast }: { walcast: Development }, files: Record<string, string>): Promise<Page> {
  const app = await App.serve(files);
  finally_(() => app.close());
  const rule = (port: number, target: number | string) => `MAP localhost:${port} 127.0.0.1:${target}`;
  const browser = await launch(`--host-resolver-rules=${rule(5173, app.port)},${rule(4000, new URL(walcast.said('server')).port)}`);
  finally_(() => browser.close());
  const page = await (await browser.newContext()).newPage();
  await page.goto('http://localhost:5173/');
  return page;
}

const filled = (text: string, { walcast }: { walcast: Development }) => text.replace("'TOKEN'", `'${walcast.said('token')}'`);

test('who follows the quick start sees a row change, also after a restart, and writes it', async () => {
  const here = await desk();
  await here.sql(create);
  const page = await open(here, { 'index.html': pageOf('app', 'main.ts'), 'src/main.ts': filled(main, here) });
  const shows = (text: string) => until(`the page shows ${text}`, async () => (await page.locator('#app').textContent()) === text);
  await shows('Hello');
  await here.sql(change);
  await shows('Hello from SQL');
  await here.again();
  await shows('Hello from SQL');
  await here.sql("UPDATE public.notes SET body = 'After the restart' WHERE id = 1");
  await shows('After the restart');

  const other = await page.context().newPage();
  await other.goto('http://localhost:5173/');
  await page.locator('#app').click();
  await page.keyboard.press('End');
  await page.keyboard.type(', by hand');
  await page.locator('#app').blur();
  await until('the table holds it', async () => (await here.sql('SELECT body FROM public.notes')) === 'After the restart, by hand');
  await until('the other page shows it', async () => (await other.locator('#app').textContent()) === 'After the restart, by hand');
});

test('who follows it in React sees the components of the page change, and writes them', async () => {
  const here = await desk();
  const page = await open(here, { 'index.html': pageOf('root', 'main.tsx'), 'src/main.tsx': root, 'src/App.tsx': filled(component, here) });
  const names = () => page.locator('input').evaluateAll((fields) => fields.map((field) => (field as HTMLInputElement).value));
  await until('the page shows components', async () => (await names()).length > 1);
  await here.sql(changeComponents);
  await until('the page shows the change', async () => (await names()).every((name) => name === 'Hello from SQL'));
  await page.locator('input').first().fill('By hand');
  await until('the table holds it', async () => (await here.sql("SELECT count(*) FROM components WHERE name = 'By hand'")) === '1');
  expect((await names()).filter((name) => name === 'By hand')).toHaveLength(1);
});
