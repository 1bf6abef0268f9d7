export { useComponent, useEntity, usePresence, useRealtimeStatus } from './hooks.js';
export type { LiveComponent, LiveEntity, LivePresence, RoomName } from './hooks.js';
export { useRealtime } from './realtime.js';
export { useClient, WalcastProvider } from './provider.js';
export type { QueryCache, WalcastProviderProps } from './provider.js';
export type { Choice, UpdateOptions } from './editor.js';
export type { Conflict } from './draft.js';
export type { Live } from './view.js';
