export function sizeOf(entry: string): Promise<number>;
