import { WalcastError } from './error.js';
import type { Tokens } from './tokens.js';
import type { Offset, Row } from './types.js';

export interface Answer {
  rows: Row[];
  /** Up to where the stream of events is contained. */
  offset: Offset | undefined;
}

export interface Reply {
  headers: Headers;
  /** `undefined`: it is what it was (304). */
  body: any;
}

/** Rows over HTTP. */
export class Http {
  constructor(
    readonly _url: string,
    readonly _tokens: Tokens,
    readonly _timeout: number,
    readonly _fetch: typeof fetch,
  ) {}

  /** All pages of a path below /api/rows/. A row that is not there is none. */
  async _rows(path: string, ask = (address: string): Promise<Reply> => this._request(address)): Promise<Answer> {
    const rows: Row[] = [];
    let offset: Offset | undefined;
    let after = '';
    do {
      const { headers, body } = await ask(`/api/rows/${path}${after}`);
      rows.push(...(body.rows ?? (body.row ? [body.row] : [])));
      // Of several pages the first is the oldest.
      offset ??= headers.get('Walcast-Offset') ?? undefined;
      after = body.next && `&after=${encodeURIComponent(body.next)}`;
    } while (after);
    return { rows, offset };
  }

  /** What is no success is thrown, but for 304, and 404 of a row. */
  async _request(path: string, init: RequestInit = {}, isRepeated = false): Promise<Reply> {
    const url = this._url + path;
    const token = await (isRepeated ? this._tokens._renew() : this._tokens._current());
    const fail = (code: 'disconnected' | 'unexpected', why: unknown, more?: object) => {
      throw new WalcastError({ code, message: `${url}: ${why}`, ...more });
    };
    const response = await this._fetch(url, {
      ...init,
      headers: { ...init.headers, Authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(this._timeout),
    }).catch((error) => fail('disconnected', error));
    const { headers, status } = response;
    if (status === 401 && !isRepeated) return this._request(path, init, true);
    const body = await response.json().catch(() => {});
    // Only a row's address has no question: of a list it is the table that is missing.
    const isAnswer = status === 304 || (response.ok && body) || (body?.error?.code === 'not_found' && !path.includes('?'));
    if (isAnswer) return { headers, body };
    const retryAfterMs = +(headers.get('Retry-After') ?? 0) * 1_000;
    return fail('unexpected', `status ${status}, not of walcast`, { ...body?.error, retryAfterMs });
  }
}
