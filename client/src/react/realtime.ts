import { useEffect } from 'react';
import { useSurroundings } from './provider.js';
import type { Component, Id } from '../index.js';

/**
 * For frontends that fetch by TanStack Query: while it is used, each change of a component invalidates `['component', id]` and
 * `['components', entityType, entityId]`. Also once when it begins, since what was fetched before may lack what came between.
 */
export function useRealtime(componentId: Id | null | undefined): void {
  const { client, queryClient } = useSurroundings('useRealtime');
  if (!queryClient) throw new Error('useRealtime: there is no queryClient: say <WalcastProvider client={…} queryClient={…}>');

  useEffect(() => {
    if (componentId == null) return;
    const invalidate = (...queryKey: unknown[]) => void queryClient.invalidateQueries({ queryKey });
    let before: Component | null | undefined;
    return client.component(componentId).watch(({ data, fresh }) => {
      if (!fresh || data === before) return;
      invalidate('component', componentId);
      // One that moved is missed in the one entity and new in the other.
      const entities = new Map([before, data].flatMap((row) => (row ? [[`${row.entity_type} ${row.entity_id}`, row] as const] : [])));
      for (const { entity_type, entity_id } of entities.values()) invalidate('components', entity_type, entity_id);
      before = data;
    });
  }, [client, queryClient, componentId]);
}
