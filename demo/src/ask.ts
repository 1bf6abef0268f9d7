/** Asks what `walcast dev` has for this page alone; what it refuses is thrown, in its words. */
export async function ask<T>(path: string, body: object): Promise<T> {
  const headers = { 'Content-Type': 'application/json' };
  const response = await fetch(path, { method: 'POST', headers, body: JSON.stringify(body) });
  const answer = await response.json().catch(() => undefined);
  if (!answer?.ok) throw new Error(answer?.error?.message ?? `${path} answered ${response.status}`);
  return answer;
}
