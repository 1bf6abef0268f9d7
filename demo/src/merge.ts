/** What two people made of one text, put together: as they are where they changed different parts of it, else one after the other. */
export function merge(base: string, mine: string, theirs: string): string {
  const [a, b] = [change(base, mine), change(base, theirs)];
  const [first, second] = a.from <= b.from ? [a, b] : [b, a];
  if (first.to > second.from || (first.from === second.from && first.to === second.to)) return `${theirs} ${mine}`.trim();
  return base.slice(0, first.from) + first.text + base.slice(first.to, second.from) + second.text + base.slice(second.to);
}

/** The part of a text that was changed, and what it became. */
function change(base: string, after: string): { from: number; to: number; text: string } {
  const shorter = Math.min(base.length, after.length);
  let from = 0;
  while (from < shorter && base[from] === after[from]) from++;
  let end = 0;
  while (end < shorter - from && base.at(-1 - end) === after.at(-1 - end)) end++;
  return { from, to: base.length - end, text: after.slice(from, after.length - end) };
}
