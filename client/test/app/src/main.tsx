import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { createClient } from 'walcast-client';
import { WalcastProvider } from 'walcast-client/react';
import { legacy } from './legacy';
import { Page } from './Page';
import { todos } from './todos';

const client = createClient(location.origin, { token: async () => (await fetch('/token')).text() });
const queryClient = new QueryClient();

legacy(location.origin);
todos(location.origin, 7);
createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <QueryClientProvider client={queryClient}>
      <WalcastProvider client={client} queryClient={queryClient}>
        <Page id="1" />
      </WalcastProvider>
    </QueryClientProvider>
  </StrictMode>,
);
