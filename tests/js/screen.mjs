// The dashboard in a real Chromium, as a test drives it: one JSON object a line, in and out, {id, ok} or {id, error} for each.
//
//   in   {id, do: "open", url, dark, width}      opens the page alone, of a screen of this width
//        {id, do: "press", keys}                 these keys, one after the other
//        {id, do: "type", text}                  at where the keyboard is
//        {id, do: "click", role, name}           by what a screen reader calls it
//        {id, do: "see", css, text}              waits until an element shows that has this text; answers with all of it
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
let page;
/** What went wrong in the page: a script that failed, or one that the policy refused. */
let faults = [];

const commands = {
  async open({ url, dark, width }) {
    await page?.context().close();
    const context = await browser.newContext({
      colorScheme: dark ? 'dark' : 'light',
      viewport: { width, height: 900 },
      reducedMotion: 'reduce',
    });
    page = await context.newPage();
    faults = [];
    page.on('pageerror', (error) => faults.push(String(error)));
    page.on('console', (line) => line.text().includes('Content Security Policy') && faults.push(line.text()));
    await page.goto(url);
  },
  async press({ keys }) {
    for (const key of keys) await page.keyboard.press(key);
  },
  type: ({ text }) => page.keyboard.type(text),
  click: ({ role, name }) => page.getByRole(role, { name, exact: true }).click({ timeout: PATIENCE }),
  async see({ css, text }) {
    const found = page.locator(css).filter({ hasText: text }).first();
    await found.waitFor({ state: 'visible', timeout: PATIENCE });
    return found.innerText();
  },
  focused: () => page.evaluate(() => {
    const at = document.activeElement;
    return at?.getAttribute('aria-label') ?? at?.id ?? '';
  }),
  width: () => page.evaluate(() => document.documentElement.scrollWidth),
  async audit() {
    // Not as a script of the page, whose policy would refuse it.
    await page.evaluate(AXE);
    const { violations } = await page.evaluate(() => window.axe.run());
    const grave = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
    return grave.map(({ id, help, nodes }) => ({ id, help, at: nodes.map(({ html }) => html.slice(0, 200)) }));
  },
  stored: () => page.evaluate(() => ({
    session: Object.keys(sessionStorage), local: { ...localStorage }, cookies: document.cookie, url: location.href,
  })),
  async shot({ path }) {
    await page.evaluate(() => scrollTo(0, 0));
    await page.screenshot({ path, fullPage: true });
  },
  close: () => browser.close(),
};

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

async function take({ id, ...command }) {
  try {
    const ok = (await commands[command.do](command)) ?? null;
    say(faults.length > 0 ? { id, error: faults.join('; ') } : { id, ok });
  } catch (error) {
    say({ id, error: error.message });
  }
}

readline.createInterface({ input: process.stdin })
  .on('line', (line) => void take(JSON.parse(line)))
  .on('close', () => browser.close().then(() => process.exit(0)));
