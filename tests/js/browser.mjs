// Stock clients in pages of a real Chromium, under the same orders as in Node (clients.mjs), and besides
//
//   in   {id, do: "page", origin}            opens a page, of an origin of its own where none is given; answers with
//                                            {id, ok: {page, origin}}
//        {id, do: "offline", offline}        cuts the network off from all pages, or gives it back
//        {id, do: "close"}                   ends the browser
// A "connect" names its `page`.
import { readFile } from 'node:fs/promises';
import http from 'node:http';
import readline from 'node:readline';
import { chromium } from 'playwright-core';
import { clients } from './clients.mjs';

const PAGE = `<!doctype html><script type="module">
import { io } from '/socket.io.esm.min.js';
import { clients } from '/clients.mjs';
window.take = clients({ 4: io }, window.say);
</script>`;
const SCRIPTS = {
  '/socket.io.esm.min.js': 'node_modules/socket.io-client/dist/socket.io.esm.min.js',
  '/clients.mjs': 'clients.mjs',
};

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const here = (path) => new URL(path, import.meta.url);
const quiet = ['background-networking', 'component-update', 'sync', 'gpu'].map((what) => `--disable-${what}`);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--headless', '--no-sandbox', '--no-first-run', ...quiet],
});
const context = await browser.newContext();
await context.exposeBinding('say', (_, line) => say(line));
const pages = [];
/** The page of a client. */
const homes = new Map();
/** What pages are at. They answer before they are through. */
const running = new Set();

async function serve({ url }, response) {
  const script = SCRIPTS[url];
  const type = url === '/' ? 'text/html' : 'text/javascript';
  if (url !== '/' && !script) return response.writeHead(404).end();
  response.writeHead(200, { 'Content-Type': type }).end(script ? await readFile(here(script)) : PAGE);
}

async function newOrigin() {
  const server = http.createServer(serve);
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  return `http://127.0.0.1:${server.address().port}`;
}

const commands = {
  async page({ id, origin }) {
    origin ??= await newOrigin();
    const page = await context.newPage();
    page.on('pageerror', (error) => console.error(String(error)));
    await page.goto(origin);
    say({ id, ok: { page: pages.push(page) - 1, origin } });
  },
  async offline({ id, offline }) {
    await context.setOffline(offline);
    say({ id, ok: null });
  },
  async close({ id }) {
    await Promise.all(running);
    await browser.close();
    say({ id, ok: null });
  },
};

async function take(command) {
  if (commands[command.do]) return commands[command.do](command);
  if (command.do === 'connect') homes.set(command.client, pages[command.page]);
  const order = homes.get(command.client).evaluate((command) => window.take(command), command);
  running.add(order);
  await order;
  running.delete(order);
}

readline.createInterface({ input: process.stdin })
  .on('line', (line) => take(JSON.parse(line)))
  .on('close', () => browser.close().then(() => process.exit(0)));
