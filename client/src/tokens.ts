/** The token as it was given last. Whoever asks anew while it is being asked for gets the same answer. */
export class Tokens {
  #asked: Promise<string> | undefined;
  #latest: Promise<string> | undefined;

  constructor(readonly _ask: () => string | Promise<string>) {}

  _renew(): Promise<string> {
    return (this.#latest = this.#asked ??= (async () => this._ask())().finally(() => (this.#asked = undefined)));
  }

  /** One that could not be had is asked for again. */
  _current(): Promise<string> {
    return (this.#latest ?? this._renew()).catch(() => this._renew());
  }
}
