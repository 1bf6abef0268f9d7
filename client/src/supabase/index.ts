import { createClient as createWalcast } from '../index.js';
import type { Client, ClientOptions } from '../index.js';
import { RealtimeChannel } from './channel.js';
import type { ChannelOptions } from './channel.js';

export interface RealtimeOptions extends Omit<ClientOptions, 'token' | 'autoConnect'> {
  /** Asked for a token at every connection, in place of `key`. */
  accessToken?: () => string | Promise<string>;
}

/**
 * The part of supabase-js's client that listens, on top of walcast. `key` is a token of walcast's; `accessToken` in the options
 * is better, for it is asked for another when that one expires. It connects with the first channel that is subscribed to.
 */
export function createClient(url: string, key?: string, options: RealtimeOptions = {}): RealtimeClient {
  return new RealtimeClient(url, key, options);
}

export class RealtimeClient {
  /** What the channels are made of, and all that walcast can do besides. */
  readonly walcast: Client;
  readonly realtime = { setAuth: (token: string) => void (this.#key = token) };
  #key: string | undefined;
  #channels = new Map<string, RealtimeChannel>();

  constructor(url: string, key: string | undefined, { accessToken, ...options }: RealtimeOptions) {
    this.#key = key;
    const token = accessToken ?? (() => {
      if (this.#key) return this.#key;
      throw new Error('There is no token: say one as createClient(url, token), by accessToken in its options, or by realtime.setAuth');
    });
    this.walcast = createWalcast(url, { ...options, token, autoConnect: false });
  }

  /** The same for the same name, until it is removed. */
  channel(name: string, options?: ChannelOptions): RealtimeChannel {
    let channel = this.#channels.get(name);
    if (!channel) this.#channels.set(name, (channel = new RealtimeChannel(this.walcast, name, options)));
    return channel;
  }

  getChannels(): RealtimeChannel[] {
    return [...this.#channels.values()];
  }

  removeChannel(channel: RealtimeChannel): Promise<'ok'> {
    for (const [name, other] of this.#channels) if (other === channel) this.#channels.delete(name);
    return channel.unsubscribe();
  }

  removeAllChannels(): Promise<'ok'[]> {
    return Promise.all(this.getChannels().map((channel) => this.removeChannel(channel)));
  }
}

export { RealtimeChannel } from './channel.js';
export type { BroadcastMessage, ChannelOptions, ChannelStatus, PostgresFilter } from './channel.js';
export type { PostgresChange } from './payload.js';
export type { Entry, PresenceChange } from './roster.js';
