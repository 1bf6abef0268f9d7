// Pages in a real Chromium, as a test drives them: one JSON object a line, in and out, {id, ok} or {id, error} for each. Each
// names the tab that it is about, which is one of its own: with its own storage, as if it were another person's.
//
//   in   {id, do: "open", url, dark, width, blockable}
//                                                opens the page, of a screen of this width, in place of the one before
//        {id, do: "press", keys}                 these keys, one after the other
//        {id, do: "type", text}                  at where the keyboard is
//        {id, do: "click", role, name}           by what a screen reader calls it
//        {id, do: "fill", css, text}             puts this in place of what a field holds, and stays in it
//        {id, do: "point", css}                  moves the pointer to the middle of it
//        {id, do: "see", css, text}              waits until an element shows that has this text; answers with all of it
//        {id, do: "holds", css, value}           waits until a field shows that holds exactly this
//        {id, do: "gone", css, text}             waits until no element shows that has this text
//        {id, do: "reads", css}                  answers with what a field holds, or is ticked, now
//        {id, do: "block", blocked}              lets no socket through any more, of neither transport, or lets them again
//        {id, do: "kill"}                        the process that renders the tab dies
//        {id, do: "focused"}                     answers with what the keyboard is at: its text, or its label
//        {id, do: "width"}                       answers with how wide what is on the page is
//        {id, do: "audit"}                       answers with what axe finds serious or critical
//        {id, do: "stored"}                      answers with what the page keeps, and its address
//        {id, do: "shot", path}                  takes a picture of the whole page
//        {id, do: "close"}
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import readline from 'node:readline';
import { chromium } from 'playwright-core';

const AXE = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const PATIENCE = 20_000;

const quiet = ['background-networking', 'component-update', 'sync', 'gpu'].map((what) => `--disable-${what}`);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--headless', '--no-sandbox', '--no-first-run', ...quiet],
});
/** By name: a page; what went wrong in it, a script that failed or one that the policy refused; and who blocks its sockets. */
const tabs = new Map();

/** In the page: WebSockets can be made to fail, those that there are and new ones, which the server then answers with 404. */
function fragile() {
  const open = new Set();
  let isBlocked = false;
  window.blockSockets = (blocked) => {
    isBlocked = blocked;
    for (const socket of blocked ? open : []) socket.close();
  };
  window.WebSocket = class extends WebSocket {
    constructor(url, ...more) {
      super(isBlocked ? new URL('/blocked', url) : url, ...more);
      open.add(this);
    }
  };
}

/** Lets sockets of a context be blocked, of either transport. */
async function barrier(context) {
  let isBlocked = false;
  await context.addInitScript(fragile);
  await context.route(/\/socket\.io\//, (route) => (isBlocked ? route.abort() : route.fallback()));
  return async (page, blocked) => {
    isBlocked = blocked;
    await page.evaluate((blocked) => window.blockSockets(blocked), blocked);
  };
}

const commands = {
  async open({ tab, url, dark, width, blockable }) {
    await tabs.get(tab)?.page.context().close();
    const context = await browser.newContext({
      colorScheme: dark ? 'dark' : 'light',
      viewport: { width, height: 900 },
      reducedMotion: 'reduce',
    });
    const block = blockable && (await barrier(context));
    const page = await context.newPage();
    const faults = [];
    tabs.set(tab, { page, faults, block });
    page.on('pageerror', (error) => faults.push(String(error)));
    page.on('console', (line) => line.text().includes('Content Security Policy') && faults.push(line.text()));
    await page.goto(url);
  },
  async press({ page, keys }) {
    for (const key of keys) await page.keyboard.press(key);
  },
  type: ({ page, text }) => page.keyboard.type(text),
  click: ({ page, role, name }) => page.getByRole(role, { name, exact: true }).click({ timeout: PATIENCE }),
  async fill({ page, css, text }) {
    await page.locator(css).first().fill(text, { timeout: PATIENCE });
  },
  point: ({ page, css }) => page.locator(css).first().hover({ timeout: PATIENCE }),
  async see({ page, css, text }) {
    const found = page.locator(css).filter({ hasText: text }).first();
    await found.waitFor({ state: 'visible', timeout: PATIENCE });
    return found.innerText();
  },
  async holds({ page, css, value }) {
    const isHeld = ([css, value]) => [...document.querySelectorAll(css)].some((field) => field.value === value);
    await page.waitForFunction(isHeld, [css, value], { timeout: PATIENCE });
  },
  gone: ({ page, css, text }) => page.locator(css).filter({ hasText: text }).first().waitFor({ state: 'hidden', timeout: PATIENCE }),
  reads: ({ page, css }) => page.locator(css).first()
    .evaluate((field) => (field.type === 'checkbox' ? field.checked : field.value), undefined, { timeout: PATIENCE }),
  block: ({ page, block, blocked }) => block(page, blocked),
  async kill({ page }) {
    const died = page.waitForEvent('crash', { timeout: PATIENCE });
    const devtools = await page.context().newCDPSession(page);
    // Nobody is left to answer.
    devtools.send('Page.crash').catch(() => {});
    await died;
  },
  focused: ({ page }) => page.evaluate(() => {
    const at = document.activeElement;
    return at?.getAttribute('aria-label') ?? at?.id ?? '';
  }),
  width: ({ page }) => page.evaluate(() => document.documentElement.scrollWidth),
  async audit({ page }) {
    // Not as a script of the page, whose policy would refuse it.
    await page.evaluate(AXE);
    const { violations } = await page.evaluate(() => window.axe.run());
    const grave = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
    return grave.map(({ id, help, nodes }) => ({ id, help, at: nodes.map(({ html }) => html.slice(0, 200)) }));
  },
  stored: ({ page }) => page.evaluate(() => ({
    session: Object.keys(sessionStorage), local: { ...localStorage }, cookies: document.cookie, url: location.href,
  })),
  async shot({ page, path }) {
    await page.evaluate(() => scrollTo(0, 0));
    await page.screenshot({ path, fullPage: true });
  },
  close: () => browser.close(),
};

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

async function take({ id, ...command }) {
  try {
    const ok = (await commands[command.do]({ ...tabs.get(command.tab), ...command })) ?? null;
    const faults = tabs.get(command.tab)?.faults ?? [];
    say(faults.length > 0 ? { id, error: faults.join('; ') } : { id, ok });
  } catch (error) {
    say({ id, error: error.message });
  }
}

readline.createInterface({ input: process.stdin })
  .on('line', (line) => void take(JSON.parse(line)))
  .on('close', () => browser.close().then(() => process.exit(0)));
