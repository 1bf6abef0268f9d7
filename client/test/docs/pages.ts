import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../../..', import.meta.url));

/** A fenced block of a page. */
export interface Block {
  page: string;
  language: string;
  /** Of its first line, from 1. */
  line: number;
  text: string;
  /** Why it cannot be run, where the page says so by `<!-- not run: … -->` in front of it. */
  excuse: string | undefined;
}

/** The pages that are written for users, by their paths from the root. */
export function pages(): string[] {
  const inFolder = (folder: string) => readdirSync(`${root}/${folder}`).filter((name) => name.endsWith('.md')).map((name) => `${folder}/${name}`);
  return ['README.md', ...inFolder('docs'), ...inFolder('client')].sort();
}

export const read = (page: string): string => readFileSync(`${root}/${page}`, 'utf8');

/**
 * In order. A fence that stands in a list is indented, and so is what it holds. Behind `<!-- continues -->` the last of its language
 * goes on.
 */
export function blocksOf(page: string): Block[] {
  const blocks: Block[] = [];
  const lines = read(page).split('\n');
  let open: { indent: string; block: Block } | undefined;
  for (const [place, line] of lines.entries()) {
    const fence = /^(\s*)```(.*?)\s*$/.exec(line);
    if (!open && fence) {
      const [, indent, language] = fence as unknown as [string, string, string];
      const remark = lines[place - 1]?.trim() ?? '';
      const continued = remark === '<!-- continues -->' && blocks.filter((block) => block.language === language).at(-1);
      const block: Block = continued || { page, language, line: place + 2, text: '', excuse: /^<!-- not run: (.+) -->$/.exec(remark)?.[1] };
      block.text += '\n'.repeat(place + 3 - block.line - block.text.split('\n').length);
      if (!continued) blocks.push(block);
      open = { indent, block };
    } else if (open && fence) {
      open = undefined;
    } else if (open) {
      open.block.text += `${line.startsWith(open.indent) ? line.slice(open.indent.length) : line}\n`;
    }
  }
  if (open) throw new Error(`${page}:${open.block.line - 1}: this fence is not closed`);
  return blocks;
}

/** The block at the line at which it stands in its page, so that what a tool says of it names that line. */
export const inPlace = ({ line, text }: Block): string => '\n'.repeat(line - 1) + text;
