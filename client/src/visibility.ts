import type { Visibility } from './types.js';

/** The page's own; outside of browsers, one that is always looked at. */
export function pageVisibility(): Visibility {
  const page = globalThis.document as Document | undefined;
  return {
    get hidden() {
      return !!page?.hidden;
    },
    onChange(callback) {
      page?.addEventListener('visibilitychange', callback);
      return () => page?.removeEventListener('visibilitychange', callback);
    },
  };
}
