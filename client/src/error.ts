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

/** What an answer says of a failure. */
export interface Failure {
  code: ErrorCode;
  message: string;
  current?: Record<string, unknown>;
  written?: false | 'unknown';
  retryAfterMs?: number;
}

export class WalcastError extends Error {
  declare readonly code: ErrorCode;
  /** Of a conflict: the version that the row is at, and how what was to be written stands there. */
  declare readonly current?: Record<string, unknown>;
  /** Of a write: that it was not carried out, or that nobody knows. */
  declare readonly written?: false | 'unknown';
  /** How long to wait before trying again. */
  declare readonly retryAfterMs?: number;

  constructor({ message, ...details }: Failure) {
    super(message);
    Object.assign(this, details, { name: 'WalcastError' });
  }
}

/** Whether the same may succeed a moment later. */
export const isBusy = (failure: Failure | undefined): boolean =>
  /^(unavailable|rate_limited)$/.test(failure?.code!);
