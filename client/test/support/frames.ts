/** Takes the texts out of what a client sends over a WebSocket, as they come; long and compressed ones are passed over. */
export class Frames {
  private rest = Buffer.alloc(0);

  *take(data: Buffer): Iterable<string> {
    this.rest = Buffer.concat([this.rest, data]);
    for (;;) {
      const length = (this.rest[1] ?? 0) & 0x7f;
      const [head, size] = length < 126 ? [6, length] : length === 126 && this.rest.length >= 4 ? [8, this.rest.readUInt16BE(2)] : [6, Infinity];
      if (this.rest.length < head + size) return;
      const mask = this.rest.subarray(head - 4, head);
      const payload = this.rest.subarray(head, head + size).map((byte, place) => byte ^ mask[place % 4]!);
      if (this.rest[0] === 0x81) yield Buffer.from(payload).toString();
      this.rest = this.rest.subarray(head + size);
    }
  }
}
