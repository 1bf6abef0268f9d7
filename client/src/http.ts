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

interface Page {
  etag: string | null;
  body: { row?: Row; rows?: Row[]; next?: string | null };
}

/** What was answered for each address, so that it need not be sent again while it is the same. */
export type Pages = Map<string, Page>;

/** Rows over HTTP. */
export class Http {
  constructor(
    private readonly url: string,
    private readonly tokens: Tokens,
    private readonly timeout: number,
    private readonly fetch: typeof globalThis.fetch,
  ) {}

  /** All pages of a path below /api/rows. A row that is not there is none. */
  async rows(path: string, pages: Pages = new Map()): Promise<Answer> {
    const answer: Answer = { rows: [], offset: undefined, unchanged: true };
    let after: string | null | undefined;
    do {
      const address = `/api/rows/${path}${after ? `&after=${encodeURIComponent(after)}` : ''}`;
      const known = pages.get(address);
      const response = await this.request(address, known?.etag ? { headers: { 'If-None-Match': known.etag } } : {});
      let body = known?.body ?? {};
      if (response.status !== 304) {
        answer.unchanged = false;
        body = response.status === 404 ? {} : await json(response);
        pages.set(address, { etag: response.headers.get('ETag'), body });
      }
      answer.rows.push(...(body.rows ?? (body.row ? [body.row] : [])));
      // Of several pages the first is the oldest.
      if (!after) answer.offset = response.headers.get('Walcast-Offset') ?? undefined;
      after = body.next;
    } while (after);
    return answer;
  }

  async post(path: string, body: unknown): Promise<void> {
    const headers = { 'Content-Type': 'application/json' };
    await this.request(path, { method: 'POST', headers, body: JSON.stringify(body) });
  }

  /** What is no success is thrown, but for 304, and 404 where the table is known. */
  private async request(path: string, init: RequestInit, isRepeated = false): Promise<Response> {
    const token = await (isRepeated ? this.tokens.renew() : this.tokens.current());
    const headers = { ...init.headers, Authorization: `Bearer ${token}` };
    let response: Response;
    try {
      // A browser's own cache would hide the 304, and so that the answer is the same.
      response = await this.fetch(this.url + path, { ...init, headers, cache: 'no-store', signal: AbortSignal.timeout(this.timeout) });
    } catch (error) {
      throw new WalcastError('disconnected', `${this.url}${path} cannot be reached: ${(error as Error).message}`);
    }
    const { status } = response;
    if (response.ok || status === 304) return response;
    if (status === 401 && !isRepeated) return this.request(path, init, true);
    const { error } = await json(response);
    // Only walcast's own answer says that there is no such row, and only a row's address is without a question.
    if (error?.code === 'not_found' && !path.includes('?')) return response;
    throw new WalcastError(error?.code ?? 'unexpected', error?.message ?? `${path}: status ${status}`, {
      retryAfterMs: Number(response.headers.get('Retry-After')) * 1000,
    });
  }
}

async function json(response: Response): Promise<any> {
  try {
    return await response.json();
  } catch {
    throw new WalcastError('unexpected', `${response.url}: status ${response.status}, and no JSON: does it lead to walcast?`);
  }
}
