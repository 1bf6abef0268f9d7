const PATIENCE_MS = 20_000;

/** Waits until something holds; `what` says in words what did not, where it never does. */
export async function until<T>(what: string, find: () => T | Promise<T>, patience = PATIENCE_MS): Promise<NonNullable<T>> {
  const end = Date.now() + patience;
  for (;;) {
    const found = await find();
    if (found) return found;
    if (Date.now() > end) throw new Error(`${what}: it did not become so in ${patience} ms`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
