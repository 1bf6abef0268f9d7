import { RealtimeClient } from 'walcast-client/dropin';

export function legacy(url: string): () => void {
  const realtime = new RealtimeClient(url);
  realtime.connect('token');
  realtime.subscribeToComponent('page', 1);
  const off = realtime.onComponentUpdated(({ componentId, updates }) => console.log(componentId, updates.name));
  return () => {
    off();
    realtime.disconnect();
  };
}
