/** The token as it was given last. Whoever asks anew while it is being asked for gets the same answer. */
export class Tokens {
  #ask: () => string | Promise<string>;
  #asked: Promise<string> | undefined;
  #latest: Promise<string> | undefined;

  constructor(ask: () => string | Promise<string>) {
    this.#ask = ask;
  }

  renew(): Promise<string> {
    return (this.#latest = this.#asked ??= (async () => this.#ask())().finally(() => (this.#asked = undefined)));
  }

  /** One that could not be had is asked for again. */
  async current(): Promise<string> {
    try {
      return await (this.#latest ?? this.renew());
    } catch {
      return this.renew();
    }
  }
}
