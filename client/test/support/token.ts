import { createHmac } from 'node:crypto';

export const SECRET = 'the secret of the tests of the client';

const base64 = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

/** A token of a user; `claims` are added, `exp` in seconds since 1970. */
export function token(userId: string, claims: Record<string, unknown> = {}): string {
  const text = `${base64({ alg: 'HS256', typ: 'JWT' })}.${base64({ userId, email: `${userId}@example.com`, ...claims })}`;
  return `${text}.${createHmac('sha256', SECRET).update(text).digest('base64url')}`;
}
