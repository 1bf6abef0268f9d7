import type { OwnWrite } from './replica.js';
import type { ChangeEvent } from './types.js';

const VERBS = new Set(['created', 'updated', 'deleted', 'nested-created', 'nested-updated', 'nested-deleted']);

/** A change as the wire has it, in the words of components whatever its table is called. `undefined`: it is none. */
export function eventOf(prefix: string, verb: string, payload: any): ChangeEvent<any> | undefined {
  if (!VERBS.has(verb)) return undefined;
  return {
    ...payload,
    type: verb,
    componentId: String(payload[`${prefix}Id`] ?? payload.id),
    ...(verb === 'created' && { component: payload[prefix] ?? payload.record }),
  };
}

/** What a write of ours has changed, of which no event tells us: what we said, and what the ack adds to it. */
export function ownWrite(verb: string, componentId: string, said: any, ack: any): OwnWrite | undefined {
  const { version } = ack;
  const told = { componentId, updatedBy: null, ...(version !== undefined && { version }) };
  const kept: ChangeEvent<any> = { type: 'updated', ...told, updates: ack.updates ?? {} };
  if (verb === 'update') return { type: 'own', componentId, version, events: [{ ...kept, updates: { ...said.updates, ...ack.updates } }] };
  if (verb === 'nested-update') {
    const { rowId, nestedComponentId, updates } = said;
    return { type: 'own', componentId, version, events: [{ type: 'nested-updated', ...told, rowId, nestedComponentId, updates }, kept] };
  }
  // Nested components that come or go are told to everyone, us too; but not what the row itself counts.
  return verb.startsWith('nested') ? { type: 'own', componentId, version, events: [kept] } : undefined;
}
