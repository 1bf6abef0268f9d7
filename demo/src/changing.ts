import { useLayoutEffect, useState } from 'preact/hooks';

/** Something that changes, and tells whoever shows it. */
export class Changing {
  #watchers = new Set<() => void>();

  watch(callback: () => void): () => void {
    this.#watchers.add(callback);
    return () => this.#watchers.delete(callback);
  }

  protected changed(): void {
    for (const callback of this.#watchers) callback();
  }
}

/** Draws a component anew whenever one of these changes. */
export function useChanging(...things: Changing[]): void {
  const [, redraw] = useState(0);
  useLayoutEffect(() => {
    const stops = things.map((thing) => thing.watch(() => redraw((count) => count + 1)));
    return () => stops.forEach((stop) => stop());
  }, things);
}
