export function sizeOf(entry: string): number;
