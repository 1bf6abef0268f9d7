import { createContext, createElement, useContext, useMemo } from 'react';
import type { ReactNode } from 'react';
import type { Client } from '../index.js';

/** As much of TanStack Query as `useRealtime` needs; a `QueryClient` is one. */
export interface QueryCache {
  invalidateQueries(filters: { queryKey: readonly unknown[] }): Promise<unknown>;
}

interface Surroundings {
  client: Client;
  queryClient: QueryCache | undefined;
}

const Context = createContext<Surroundings | undefined>(undefined);

export interface WalcastProviderProps {
  /** Made by `createClient`, outside of components; whoever made it closes it. */
  client: Client;
  /** For `useRealtime`. */
  queryClient?: QueryCache;
  children?: ReactNode;
}

export function WalcastProvider({ client, queryClient, children }: WalcastProviderProps) {
  const value = useMemo(() => ({ client, queryClient }), [client, queryClient]);
  return createElement(Context.Provider, { value }, children);
}

export function useSurroundings(hook: string): Surroundings {
  const around = useContext(Context);
  if (!around) throw new Error(`${hook}: there is no client: put <WalcastProvider client={…}> around the components that use it`);
  return around;
}

export function useClient(): Client {
  return useSurroundings('useClient').client;
}
