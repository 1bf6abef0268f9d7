import { difference } from './difference.js';
import type { WalcastError } from './error.js';
import type { Answer } from './http.js';
import { isOlder } from './offset.js';
import type { Room } from './room.js';
import type { Rooms } from './rooms.js';

/** Fetches each room again and again, one after another, as often as the server lets us. */
export class Poller {
  #round = 0;
  #clock: ReturnType<typeof setTimeout> | undefined;

  constructor(
    readonly rooms: Rooms,
    readonly interval: number,
    readonly happens: (outcome: 'polled' | 'unreachable') => void,
  ) {}

  start(): void {
    this.stop();
    void this.#poll(this.#round);
  }

  stop(): void {
    clearTimeout(this.#clock);
    this.#round += 1;
  }

  async #poll(round: number): Promise<void> {
    let pause = this.interval;
    for (const room of this.rooms.all()) {
      const answer = await room.load().catch((error: WalcastError) => error);
      if (round !== this.#round) return;
      if ('rows' in answer) {
        take(room, answer);
        this.happens('polled');
      } else if (/forbidden|not_found|invalid/.test(answer.code)) {
        // A room that may not be read says nothing of the others.
        room.refuse(answer);
      } else {
        pause = Math.max(pause, answer.retryAfterMs || 0);
        this.happens('unreachable');
        break;
      }
    }
    this.#clock = setTimeout(() => void this.#poll(round), pause);
  }
}

/** Tells a room what is in an answer and not in its rows, as the events that would have led there. */
function take(room: Room, answer: Answer): void {
  const { rows, isFetching } = room.replica;
  if (isOlder(answer.offset, room.offset)) return;
  room.offset = answer.offset;
  if (rows && !isFetching) {
    const after = new Map(answer.rows.map((row) => [room.idOf(row), row]));
    if (!answer.unchanged) for (const event of difference(rows, after)) room.take({ ...event, ...room.ids });
  } else {
    room.replica.fill(answer);
    // Who listens may hold rows of which we know nothing.
    if (!rows) room.resynced('polling');
  }
}
