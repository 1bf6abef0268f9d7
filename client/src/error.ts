/** The codes of the wire contract, those of HTTP, and three that only a client can tell. */
export type ErrorCode =
  | 'invalid_payload' | 'not_found' | 'forbidden' | 'conflict' | 'room_full' | 'rate_limited' | 'payload_too_large'
  | 'token_expired' | 'unavailable' | 'internal' | 'unauthorized' | 'method_not_allowed'
  /** There was no connection to ask over: nothing was written. */
  | 'disconnected'
  /** It was asked and no answer came: nobody knows whether it was written. */
  | 'timeout'
  /** The answer of HTTP is none of walcast's. */
  | 'unexpected';

export interface ErrorDetails {
  /** Of a conflict: the version that the row is at, and how what was to be written stands there. */
  current?: Record<string, unknown>;
  /** Whether the write was carried out: `unknown` after `timeout`, and after an `unavailable` that says so. */
  written?: false | 'unknown';
  /** How long to wait before trying again. */
  retryAfterMs?: number;
}

export class WalcastError extends Error {
  override readonly name = 'WalcastError';
  readonly code: ErrorCode;
  readonly current?: Record<string, unknown>;
  readonly written?: false | 'unknown';
  readonly retryAfterMs?: number;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message);
    this.code = code;
    Object.assign(this, details);
  }
}
