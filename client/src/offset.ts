import type { Offset } from './types.js';

const history = (offset: Offset) => offset.slice(0, offset.lastIndexOf('/'));

export const isSameHistory = (a: Offset, b: Offset): boolean => history(a) === history(b);

/** Within an epoch string order is event order; another epoch is another history, in which nothing was heard yet. */
export const isNewer = (offset: Offset, than: Offset | undefined): boolean =>
  !than || !isSameHistory(offset, than) || offset > than;

/** Whether it lies before, in the same history. */
export const isOlder = (offset: Offset | undefined, than: Offset | undefined): boolean =>
  !!offset && offset !== than && !isNewer(offset, than);
