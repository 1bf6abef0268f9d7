/** The token as it was given last. Whoever asks anew while it is being asked for gets the same answer. */
export class Tokens {
  private asked: Promise<string> | undefined;
  private latest: Promise<string> | undefined;

  constructor(private readonly ask: () => string | Promise<string>) {}

  renew(): Promise<string> {
    this.asked ??= Promise.resolve().then(this.ask).finally(() => (this.asked = undefined));
    return (this.latest = this.asked);
  }

  /** One that could not be had is asked for again. */
  current(): Promise<string> {
    return this.latest?.catch(() => this.renew()) ?? this.renew();
  }
}
