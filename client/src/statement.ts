import { WalcastError } from './error.js';
import type { Failure } from './error.js';
import type { Room } from './room.js';

type State = Record<string, unknown>;

/** What we say of ourselves in a room. */
export class Statement {
  #latest: { state: State; settle(failure?: Failure): void } | undefined;
  /** Whether the server that there is has been told. */
  #isSaid = false;
  /** One and the same, so that of what waits to be said the latest is. */
  #payload: { room: string; state?: State };

  constructor(readonly _room: Room) {
    this.#payload = { room: _room.room };
  }

  _set(state: State): Promise<void> {
    let overtaken = this.#latest;
    return new Promise((resolve, reject) => {
      const settle = (failure?: Failure) => {
        overtaken = overtaken?.settle() as undefined;
        failure ? reject(new WalcastError(failure)) : resolve();
      };
      this.#latest = { state, settle };
      this._repeat(true);
    });
  }

  _repeat(isNew: boolean): void {
    const { _joined, _around } = this._room;
    const said = this.#latest;
    if (!said || (!isNew && this.#isSaid)) return;
    this.#payload.state = said.state;
    const ack = ({ error }: { error?: Failure }) => {
      said.settle(error);
      // It would be refused after every reconnect.
      if (error && said === this.#latest) this.#latest = undefined;
    };
    this.#isSaid = _joined && !_around._way()._isHidden && _around._ask('presence:update', this.#payload, ack, () => this._room._joined);
  }
}
