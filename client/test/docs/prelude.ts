// What the examples in the docs take from the page around them, by the names of ambient.d.ts: bundled in front of each, as far
// as it uses them (reader.ts).
import { createElement, StrictMode } from 'react';
import type { ComponentType } from 'react';
import { createRoot } from 'react-dom/client';
import { io } from 'socket.io-client';
import { createClient } from '../../src/index.js';
import { WalcastProvider } from '../../src/react/index.js';
import { HERO, USER } from './names.js';

declare global {
  var stage: { url: string; token: string; told: string[]; isOver: boolean };
}

export const { url, token } = globalThis.stage;
export const user = USER;
export { io };
export const socket = /* @__PURE__ */ io(url, { auth: { token } });
export const client = /* @__PURE__ */ createClient(url, { token: () => token });
export const page = /* @__PURE__ */ client.entity('page', 1);
export const hero = /* @__PURE__ */ client.component(HERO);

/** What is called by its name is told to the test; tokens are given besides. */
const told = (name: string, answer?: unknown) => (): any => {
  globalThis.stage.told.push(name);
  return answer;
};
export const getToken = /* @__PURE__ */ told('getToken', token);
export const freshToken = /* @__PURE__ */ told('freshToken', token);
export const supabase = { auth: { getSession: async () => ({ data: { session: { access_token: token } } }) } };
export const render = /* @__PURE__ */ told('render');
export const show = /* @__PURE__ */ told('show');
export const apply = /* @__PURE__ */ told('apply');
export const merge = /* @__PURE__ */ told('merge');
export const refetch = /* @__PURE__ */ told('refetch');
export const subscribeAndFetch = /* @__PURE__ */ told('subscribeAndFetch');
export const put = /* @__PURE__ */ told('put');
export const remove = /* @__PURE__ */ told('remove');

/** Shows a component that an example declares. */
export function mount(Shown: ComponentType<any>): void {
  const main = document.body.appendChild(document.createElement('main'));
  const shown = createElement(WalcastProvider, { client, children: createElement(Shown, { id: HERO }) });
  createRoot(main).render(createElement(StrictMode, null, shown));
}
