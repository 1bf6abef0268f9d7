import { Manager } from 'socket.io-client';

/**
 * The library's own hears of a connection that cannot be made, but not of one that is closed before its handshake is done: for
 * that it would wait until its timeout. Here this is a failure as well.
 */
export class HeedfulManager extends Manager {
  override open(done?: (error?: Error) => void): this {
    const engine: any = super.open(done).engine;
    // Of what it calls an error it has told by itself.
    engine.once('close', (why: string) => why === 'transport error' || engine.emit('error', new Error(why)));
    return this;
  }
}
