import { difference } from './difference.js';
import type { WalcastError } from './error.js';
import type { Answer, Reply } from './http.js';
import { isOlder } from './offset.js';
import type { Room } from './room.js';
import type { Rooms } from './rooms.js';
import type { ChangeEvent } from './types.js';

/** Fetches each room again and again, one after another, as often as the server lets us. */
export class Poller {
  #round = 0;
  #clock: ReturnType<typeof setTimeout> | undefined;
  /** What was answered for each address, so that it need not be sent again while it is the same. */
  #pages = new Map<string, { etag: string; body: any }>();

  constructor(
    readonly _rooms: Rooms,
    readonly _interval: number,
    readonly _happens: (outcome: 'polled' | 'unreachable') => void,
  ) {}

  _start(): void {
    this._stop();
    void this.#poll(this.#round);
  }

  _stop(): void {
    clearTimeout(this.#clock);
    this.#round += 1;
  }

  async #poll(round: number): Promise<void> {
    let pause = this._interval;
    for (const room of this._rooms._all()) {
      const answer = await room._load((address) => this.#ask(address)).catch((error: WalcastError) => error);
      if (round !== this.#round) return;
      if ('rows' in answer) {
        take(room, answer);
        this._happens('polled');
      } else if (/forbidden|not_found|invalid/.test(answer.code)) {
        // A room that may not be read says nothing of the others.
        room._refuse(answer);
      } else {
        pause = Math.max(pause, answer.retryAfterMs || 0);
        this._happens('unreachable');
        break;
      }
    }
    this.#clock = setTimeout(() => void this.#poll(round), pause);
  }

  async #ask(address: string): Promise<Reply> {
    const known = this.#pages.get(address);
    const { headers, body } = await this._rooms._http._request(address, known && { headers: { 'If-None-Match': known.etag } });
    const etag = headers.get('ETag');
    if (body && etag) this.#pages.set(address, { etag, body });
    return { headers, body: body ?? known?.body };
  }
}

/** Tells a room what is in an answer and not in its rows, as the events that would have led there. */
function take(room: Room, answer: Answer): void {
  const { rows, _isFetching } = room._replica;
  if (isOlder(answer.offset, room.offset)) return;
  room.offset = answer.offset;
  if (rows && !_isFetching) {
    room._isPolled ??= memory(room);
    const after = new Map(answer.rows.map((row) => [room._idOf(row), row]));
    for (const event of difference(rows, after)) room._take({ ...event, ...room._ids });
  } else {
    room._replica._fill(answer);
    // Who listens may hold rows of which we know nothing.
    if (!rows) room._listeners.emit('resync', { type: 'resync', reason: 'polling' });
  }
}

/**
 * An answer may hold more than it says, and that is told again by a socket. What is of no version above the one that was polled is
 * in it. Rows without a version are told twice.
 */
function memory(room: Room): (event: ChangeEvent<any>) => boolean {
  const versions = new Map<string, number>();
  return ({ type, componentId, version = NaN, offset }) => {
    const polled = versions.get(componentId);
    const isGone = polled === Infinity;
    if (!offset) {
      versions.set(componentId, type === 'deleted' ? Infinity : version);
      return false;
    }
    // Who comes after it went is another, who begins to count anew.
    if (type === 'deleted' || (isGone && type === 'created')) return versions.delete(componentId) && isGone && type === 'deleted';
    // Nested components that are rows of their own have versions of their own, and are not polled.
    const isWhole = !type.startsWith('nested') || Array.isArray(room._replica.rows?.get(componentId)?.['rows']);
    return isWhole && version <= polled!;
  };
}
