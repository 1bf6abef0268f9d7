import type { OwnWrite } from './replica.js';
import type { ChangeEvent } from './types.js';

const VERB = /^(nested-)?(created|updated|deleted)$/;

/** A change as the wire has it, in the words of components whatever its table is called. `undefined`: it is none. */
export const eventOf = (prefix: string, verb: string, payload: any): ChangeEvent<any> | undefined =>
  VERB.test(verb)
    ? {
        ...payload,
        type: verb,
        componentId: String(payload[`${prefix}Id`] ?? payload.id),
        ...(verb === 'created' && { component: payload[prefix] ?? payload.record }),
      }
    : undefined;

/**
 * What a write of ours has changed, of which no event tells us: what we said, and what the ack adds to it. Nested components
 * that come or go are told to everyone, but what the row itself counts is not.
 */
export function ownWrite(verb: string, componentId: string, said: any, { version, updates }: any): OwnWrite {
  const told = { componentId, updatedBy: null, version };
  const kept = { ...told, type: 'updated' as const, updates: { ...(verb === 'update' && said.updates), ...updates } };
  return verb === 'nested-update' ? [{ ...told, ...said, type: 'nested-updated', version }, kept] : [kept];
}
