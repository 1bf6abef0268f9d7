/** What a component may be coloured in; each has its colours in style.css. */
export const TONES = ['teal', 'blue', 'amber', 'violet', 'rose'] as const;

export const toneOf = (data: Record<string, unknown> | null): string => TONES.find((tone) => tone === data?.tone) ?? TONES[0];
