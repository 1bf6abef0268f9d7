export { createClient } from './client.js';
export { WalcastError } from './error.js';
export type { ErrorCode } from './error.js';
export { applyEvent, applyToList } from './reduce.js';
export type * from './types.js';
