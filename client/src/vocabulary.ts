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
