import { WalcastError } from './error.js';
import type { Tokens } from './tokens.js';
import type { Offset, Row } from './types.js';

export interface Answer {
  rows: Row[];
  /** Up to where the stream of events is contained. */
  offset: Offset | undefined;
  /** Nothing is other than it was when the same cache was asked before. */
  unchanged: boolean;
}

/** What was answered for each address, so that it need not be sent again while it is the same. */
export type Pages = Map<string, { etag: string; body: any }>;

/** Rows over HTTP. */
export class Http {
  #url: string;
  #tokens: Tokens;
  #timeout: number;
  #fetch: typeof fetch;

  constructor(url: string, tokens: Tokens, timeout: number, fetch: typeof globalThis.fetch) {
    this.#url = url;
    this.#tokens = tokens;
    this.#timeout = timeout;
    this.#fetch = fetch;
  }

  /** All pages of a path below /api/rows/. A row that is not there is none. */
  async rows(path: string, pages: Pages = new Map()): Promise<Answer> {
    const rows: Row[] = [];
    let offset: Offset | undefined;
    let unchanged = true;
    let after = '';
    do {
      const address = `/api/rows/${path}${after}`;
      const known = pages.get(address);
      const { headers, body, status } = await this.request(address, known && { headers: { 'If-None-Match': known.etag } });
      const page = body ?? known?.body;
      if (body) {
        unchanged = false;
        pages.set(address, { etag: headers.get('ETag') ?? '', body });
      }
      if (status !== 404) rows.push(...(page.rows ?? [page.row]));
      // Of several pages the first is the oldest.
      offset ??= headers.get('Walcast-Offset') ?? undefined;
      after = page.next && `&after=${encodeURIComponent(page.next)}`;
    } while (after);
    return { rows, offset, unchanged };
  }

  /** What is no success is thrown, but for 304, and 404 of a row. */
  async request(path: string, init: RequestInit = {}, isRepeated = false): Promise<{ headers: Headers; status: number; body: any }> {
    const url = this.#url + path;
    const token = await (isRepeated ? this.#tokens.renew() : this.#tokens.current());
    const request = {
      ...init,
      headers: { ...init.headers, Authorization: `Bearer ${token}` },
      // A browser's own cache would hide that the answer is the same.
      cache: 'no-store' as const,
      signal: AbortSignal.timeout(this.#timeout),
    };
    const fail = (cause: unknown) => new WalcastError({ code: 'disconnected', message: `${url} cannot be reached: ${cause}` });
    const response = await this.#fetch(url, request).catch((error) => Promise.reject(fail(error)));
    const { headers, status } = response;
    if (status === 304) return { headers, status, body: undefined };
    if (status === 401 && !isRepeated) return this.request(path, init, true);
    const body = await response.json().catch(() => undefined);
    // Only a row's address has no question: of a list it is the table that is missing.
    if ((response.ok && body) || (body?.error?.code === 'not_found' && !path.includes('?'))) return { headers, status, body };
    const unexpected = { code: 'unexpected' as const, message: `${url}: status ${status}, and no answer of walcast's` };
    throw new WalcastError({ ...unexpected, ...body?.error, retryAfterMs: Number(headers.get('Retry-After')) * 1_000 });
  }
}
