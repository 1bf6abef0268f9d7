import type { WalcastError } from './error.js';
import type { Rooms } from './rooms.js';

/** Fetches each room again and again, one after another, as often as the server lets us. */
export class Poller {
  private round = 0;
  private clock: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly rooms: Rooms,
    private readonly interval: number,
    private readonly happens: (outcome: 'polled' | 'unreachable') => void,
  ) {}

  start(): void {
    this.stop();
    void this.poll(this.round);
  }

  stop(): void {
    clearTimeout(this.clock);
    this.round += 1;
  }

  private async poll(round: number): Promise<void> {
    let pause = this.interval;
    for (const room of this.rooms.used()) {
      try {
        const answer = await room.poll();
        if (round !== this.round) return;
        room.polled(answer);
        this.happens('polled');
      } catch (error) {
        if (round !== this.round) return;
        const { code, retryAfterMs } = error as WalcastError;
        pause = Math.max(pause, retryAfterMs || 0);
        // A room that may not be read says nothing of the others.
        if (code === 'forbidden' || code === 'not_found' || code === 'invalid_payload') {
          room.refused(error as Error);
          continue;
        }
        this.happens('unreachable');
        break;
      }
    }
    this.clock = setTimeout(() => void this.poll(round), pause);
  }
}
