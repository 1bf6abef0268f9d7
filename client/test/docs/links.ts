import { existsSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { read, root } from './pages.js';

/** What a heading is linked to by, as GitHub makes it. */
const anchorOf = (heading: string): string =>
  heading.toLowerCase().replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').replace(/[^\p{Letter}\p{Number} _-]/gu, '').replaceAll(' ', '-');

const prose = (page: string): string => read(page).replace(/^\s*```[^]*?^\s*```$/gm, '');

const anchorsOf = (page: string): string[] => [...prose(page).matchAll(/^#+ (.+)$/gm)].map(([, heading]) => anchorOf(heading!));

/** The files that a page links to, each with the heading where one is named. */
export function linksOf(page: string): { path: string; anchor: string | undefined }[] {
  const targets = [...prose(page).matchAll(/\]\(([^()\s]+)\)/g)].map(([, target]) => target!).filter((target) => !/^[a-z]+:/.test(target));
  return targets.map((target) => {
    const [path, anchor] = target.split('#');
    return { path: path ? normalize(join(dirname(page), path)) : page, anchor };
  });
}

export function brokenLinksOf(page: string): string[] {
  const isBroken = ({ path, anchor }: { path: string; anchor: string | undefined }) =>
    !existsSync(`${root}/${path}`) || (anchor !== undefined && path.endsWith('.md') && !anchorsOf(path).includes(anchor));
  return linksOf(page).filter(isBroken).map(({ path, anchor }) => `${page}: ${path}${anchor === undefined ? '' : `#${anchor}`}`);
}
