import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HERO } from './docs/names.js';
import { blocksOf, pages } from './docs/pages.js';
import type { Block } from './docs/pages.js';
import { callsOf, Reader } from './docs/reader.js';
import { Scene } from './docs/scene.js';
import { shell } from './docs/shell.js';
import { Template } from './docs/sql.js';
import { launch } from './support/browser.js';
import { until } from './support/until.js';

/** What an example would call if something failed that does not fail here: other tests make it fail. */
const UNHEARD = [
  { page: 'docs/client.md', example: "hero.on('resync'", calls: 'show', why: 'the room lets everybody in' },
  { page: 'docs/client.md', example: 'await text.update', calls: 'merge', why: 'nobody else writes between its lines' },
  { page: 'docs/client.md', example: 'client.changes(', calls: 'show', why: 'the filter is good' },
  { page: 'docs/polling.md', example: 'ack.resumed', calls: 'refetch', why: 'nothing was missed' },
];
/** What a shell cannot run here. */
const ELSEWHERE = [
  { page: 'README.md', command: 'make run ', why: 'it builds, and is all tests' },
  { page: 'README.md', command: 'docker compose', why: 'there is no Docker where tests run' },
  { page: 'docs/quick-start.md', command: 'make run', why: 'quick-start.test.ts follows that page, and begins it without a build' },
  { page: 'docs/quick-start.md', command: 'npm create', why: 'it asks a registry: quick-start.test.ts packs the client, and serves it by Vite' },
  { page: 'docs/security.md', command: 'docker run', why: 'there is no Docker where tests run' },
];

const blocks = pages().flatMap(blocksOf).filter(({ excuse }) => !excuse);
const isCode = ({ language }: Block) => /^(ts|tsx|js|jsx)$/.test(language);
// The quick start is one program, and followed as a whole: quick-start.test.ts.
const examples = blocks.filter((block) => isCode(block) && block.page !== 'docs/quick-start.md');
const commands = blocks.filter(({ language }) => language === 'sh');
const unheard = ({ page, text }: Block) => UNHEARD.filter((each) => each.page === page && text.includes(each.example));
const elsewhere = ({ page, text }: Block) => ELSEWHERE.filter((each) => each.page === page && text.includes(each.command));

it('what is excused is in the docs, and once', () => {
  expect(UNHEARD.filter((each) => examples.filter((block) => unheard(block).includes(each)).length !== 1)).toEqual([]);
  expect(ELSEWHERE.filter((each) => commands.filter((block) => elsewhere(block).includes(each)).length !== 1)).toEqual([]);
});

describe('runs beside walcast and Postgres', () => {
  let browser: Browser;
  let template: Template;
  beforeAll(async () => {
    [browser, template] = await Promise.all([launch(), Template.create()]);
  });
  afterAll(async () => {
    await browser?.close();
    await template?.drop();
  });

  it('an example that fails is one that fails', async () => {
    const scene = await Scene.set(template, []);
    const block = { page: 'docs/page.md', language: 'ts', line: 7, excuse: undefined };
    for (const text of ['nothing();', 'void hero.update({ none: 1 });', 'console.error("wrong");']) {
      const reader = await Reader.open(browser, scene, { ...block, text });
      await until('it is told', () => reader.faults.length);
      await reader.close();
    }
    for (const text of ['false; true', 'curl http://localhost:4000/api/none', 'walcast none']) expect((await shell(scene, text)).code, text).not.toBe(0);
    await scene.strike();
  });

  const tried = [...examples, ...commands.filter((block) => !elsewhere(block).length)];
  for (const page of new Set(tried.map(({ page }) => page))) {
    describe(page, () => {
      let scene: Scene;
      beforeAll(async () => void (scene = await Scene.set(template, blocks.filter((block) => block.page === page && block.language === 'sql'))));
      afterAll(() => scene?.strike());

      for (const block of tried.filter((block) => block.page === page)) {
        it(`line ${block.line}: ${block.language}`, async () => {
          if (block.language === 'sh') return expect(await shell(scene, block.text)).toMatchObject({ code: 0 });
          const reader = await Reader.open(browser, scene, block);
          await (block.language === 'tsx' ? isUsed(reader, scene, block) : hears(reader, scene, block));
          expect(reader.faults).toEqual([]);
          await reader.close();
        });
      }
    });
  }
});

/** Everything that it has a function for comes to it. */
async function hears(reader: Reader, scene: Scene, block: Block): Promise<void> {
  const silent = unheard(block).map(({ calls }) => calls);
  const awaited = async () => {
    const called = await reader.called();
    return callsOf(block).filter((name) => !silent.includes(name) && !called.includes(name));
  };
  const isDone = async () => {
    await scene.happen();
    return reader.faults.length || !(await awaited()).length;
  };
  await until('it hears', isDone).catch(async ({ message }) => {
    throw new Error(`${message}: ${await awaited()} was not called`);
  });
  expect((await reader.called()).filter((name) => silent.includes(name))).toEqual([]);
}

/** What is in the database it shows, and what is done to it there it writes. */
async function isUsed(reader: Reader, scene: Scene, { text }: Block): Promise<void> {
  await until('it is in the room', () => reader.said.includes('component:subscribe') || reader.faults.length);
  const name = async () => (await scene.database.sql('SELECT name FROM components WHERE id = $1', [HERO]))[0].name;
  if (!text.includes('.name')) return;
  for (const _ of ['what there is', 'what is changed']) {
    await until('it shows the name', async () => (await reader.shows()).includes(await name()) || reader.faults.length);
    await scene.happen();
  }
  const [field, button] = [reader.page.locator('input').first(), reader.page.locator('button').first()];
  if (await button.count()) await button.click();
  else await field.fill('Hello');
  await until('it writes', async () => (await name()).startsWith('Hello'));
}
