import { createElement } from 'react';
import { renderToString } from 'react-dom/server';
import { expect, test } from 'vitest';
import { createClient } from '../../src/index.js';
import { useComponent, usePresence, useRealtime, useRealtimeStatus, WalcastProvider } from '../../src/react/index.js';

const client = createClient('http://127.0.0.1:1', { token: () => 'none', autoConnect: false });
const rendered = (use: () => unknown) => {
  const Used = () => JSON.stringify(use(), (name, value) => (name === 'handle' ? undefined : value));
  return renderToString(createElement(WalcastProvider, { client }, createElement(Used))).replaceAll('&quot;', '"');
};

test('a page that is rendered on a server shows nothing yet', () => {
  expect(rendered(() => useComponent('1'))).toContain('"fresh":false,"pending":false');
  expect(rendered(() => usePresence('component:1').users)).toBe('[]');
  expect(rendered(() => useRealtimeStatus())).toBe('"offline"');
});

test('what is missing around a hook, or is no room, is said', () => {
  expect(() => renderToString(createElement(() => void useComponent('1')))).toThrow('useComponent: there is no client');
  expect(() => rendered(() => useRealtime('1'))).toThrow('useRealtime: there is no queryClient');
  expect(() => rendered(() => usePresence('entity:page'))).toThrow('"entity:page" names no room');
});
