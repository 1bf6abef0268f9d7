import { expect, test } from 'vitest';
import { sizeOf } from '../size.mjs';

test('it adds less than 6 kB to a page beside socket.io-client', () => {
  expect(sizeOf('index')).toBeLessThan(6_000);
});
