import type { Client, Component, Id, Written } from 'walcast-client';

/** A value on the page that people change: a component's name, a member of its data, or one of a nested component. */
export type Place = { componentId: string; member: string } & (
  | { kind: 'column' }
  | { kind: 'data' }
  | { kind: 'nested'; rowId: Id; nestedId: Id }
);

export const keyOf = (place: Place): string => JSON.stringify(place);

export function valueAt(component: Component, place: Place): unknown {
  if (place.kind === 'column') return component[place.member];
  if (place.kind === 'data') return component.data?.[place.member];
  const row = component.rows.find(({ id }) => id === place.rowId);
  return row?.components?.find(({ id }) => id === place.nestedId)?.[place.member];
}

/** Writes a value; with `version`, only if the component is still at that one. `data` is what stands beside it. */
export function write(client: Client, place: Place, value: unknown, data: object, version?: number): Promise<Written> {
  const handle = client.component(place.componentId);
  const options = version === undefined ? {} : { version };
  if (place.kind === 'nested') return handle.nested(place.rowId).update(place.nestedId, { [place.member]: value }, options);
  return handle.update(place.kind === 'data' ? { data: { ...data, [place.member]: value } } : { [place.member]: value }, options);
}

/** What a refusal by `conflict` says of the place. */
export function theirs(place: Place, current: Record<string, unknown> = {}): unknown {
  return place.kind === 'data' ? (current.data as Record<string, unknown> | null)?.[place.member] : current[place.member];
}
