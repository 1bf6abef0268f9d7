import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { brokenLinksOf, linksOf } from './docs/links.js';
import { blocksOf, pages } from './docs/pages.js';
import type { Block } from './docs/pages.js';
import { refusalOf, Template } from './docs/sql.js';
import { run } from './docs/tools.js';
import { typeErrors } from './docs/types.js';

/** What nothing is run of: `text` is what a program says; the others are drawn, or tried by tests of the server. */
const SHOWN = ['text', 'mermaid', 'nginx', 'haproxy', 'yaml'];
/** How many examples may say why they cannot be run. More is a reason to write one that can. */
const EXCUSES = 2;

const blocks = pages().flatMap(blocksOf);
const ran = blocks.filter(({ excuse }) => !excuse);
const of = (...languages: string[]) => ran.filter(({ language }) => languages.includes(language));

it('every example is of a language that is tried, or shown for a reason', () => {
  const known = ['ts', 'tsx', 'js', 'jsx', 'sql', 'json', 'sh', ...SHOWN];
  expect(blocks.filter(({ language }) => !known.includes(language))).toEqual([]);
  for (const language of ['ts', 'tsx', 'js', 'sql', 'json', 'sh']) expect(of(language)).not.toEqual([]);
});

it('few examples are excused', () => {
  expect(blocks.filter(({ excuse }) => excuse).length).toBeLessThanOrEqual(EXCUSES);
});

it('TypeScript and JavaScript are what the types of the client allow', async () => {
  expect(await typeErrors(of('ts', 'tsx', 'js', 'jsx'))).toBe('');
});

it('what the types do not allow is named by its page and line', async () => {
  const wrong = { page: 'docs/page.md', language: 'ts', line: 7, text: 'hero.typing();\nawait hero.update({ name: 1 });\n', excuse: undefined };
  expect(await typeErrors([wrong])).toMatch(/^docs\.page\.md\.7\.ts\(8,21\): error .*\n$/);
});

it('JSON is JSON', () => {
  for (const { page, line, text } of of('json')) expect(() => JSON.parse(text), `${page}:${line}`).not.toThrow();
});

it('what a shell is given it can read', async () => {
  for (const { page, line, text } of of('sh')) {
    expect(await run('bash', ['-n'], { input: text }), `${page}:${line}`).toEqual({ code: 0, said: '' });
  }
});

describe('SQL', () => {
  let template: Template;
  beforeAll(async () => void (template = await Template.create()));
  afterAll(() => template?.drop());
  const refusal = async (blocks: Block[]) => {
    const database = await template.clone();
    return refusalOf(database, blocks).finally(() => database.drop());
  };

  it('that Postgres refuses is named by its page and line', async () => {
    const block = { page: 'docs/page.md', language: 'sql', excuse: undefined };
    const blocks = [{ ...block, line: 3, text: 'SELECT 1;\n' }, { ...block, line: 7, text: 'SELECT 2;\nSELECT nothing;\n' }];
    expect(await refusal(blocks)).toMatch(/^docs\/page\.md:8: ERROR/);
  });

  for (const page of new Set(of('sql').map((block) => block.page))) {
    it(`of ${page}, from its beginning to its end`, async () => {
      expect(await refusal(of('sql').filter((block) => block.page === page))).toBe('');
    });
  }
});

it('every link leads somewhere', () => {
  expect(pages().flatMap(brokenLinksOf)).toEqual([]);
});

it('the index leads to every page', () => {
  const listed = linksOf('docs/README.md').map(({ path }) => path);
  expect(pages().filter((page) => page.startsWith('docs/') && page !== 'docs/README.md' && !listed.includes(page))).toEqual([]);
});
