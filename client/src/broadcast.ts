import type { Http } from './http.js';

/** Tells a room an event; a token with the claim `broadcast` may. */
export async function broadcast(http: Http, room: string, event: string, payload: object): Promise<void> {
  const headers = { 'Content-Type': 'application/json' };
  await http._request('/api/broadcast', { method: 'POST', headers, body: JSON.stringify({ room, event, payload }) });
}
