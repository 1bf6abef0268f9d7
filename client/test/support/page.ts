import type { Visibility } from '../../src/index.js';

/** A page that is hidden and shown by the test. */
export class Page implements Visibility {
  hidden = false;
  private readonly callbacks = new Set<() => void>();

  onChange(callback: () => void): () => void {
    this.callbacks.add(callback);
    return () => this.callbacks.delete(callback);
  }

  turn(hidden: boolean): void {
    this.hidden = hidden;
    for (const callback of this.callbacks) callback();
  }
}
