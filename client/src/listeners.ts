import type { Unsubscribe } from './types.js';

/** Callbacks by the names of what they wait for. One that throws is its owner's fault, and keeps no other from hearing. */
export class Listeners {
  #all = new Map<string, Set<(payload: any) => void>>();

  on(event: string, callback: (payload: any) => void): Unsubscribe {
    // Wrapped, so that one function that listens twice is called twice and called off one at a time.
    const own = (payload: any) => callback(payload);
    const set = this.#all.get(event) ?? new Set();
    this.#all.set(event, set.add(own));
    return () => void set.delete(own);
  }

  emit(event: string, payload?: unknown): void {
    for (const callback of [...(this.#all.get(event) ?? [])]) {
      try {
        callback(payload);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
