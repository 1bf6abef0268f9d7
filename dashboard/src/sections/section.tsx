import type { ComponentChildren } from 'preact';

/** A part of the page, with a heading that leads to it. */
export function Section({ id, title, aside, children }: {
  id: string;
  title: string;
  aside?: ComponentChildren;
  children: ComponentChildren;
}) {
  return (
    <section id={id} aria-labelledby={`${id}-title`}>
      <div class="heading">
        <h2 id={`${id}-title`}>{title}</h2>
        {aside}
      </div>
      {children}
    </section>
  );
}

/** One figure. */
export function Tile({ name, value, children }: { name: string; value: ComponentChildren; children?: ComponentChildren }) {
  return (
    <div class="card tile">
      <dt>{name}</dt>
      <dd>
        <span class="value">{value}</span>
        {children && <span class="note">{children}</span>}
      </dd>
    </div>
  );
}

/** How full something is, from 0 to 1. */
export function Meter({ label, part }: { label: string; part: number }) {
  const tone = part > 0.9 ? 'bad' : part > 0.5 ? 'fair' : 'good';
  const shown = Math.min(1, Math.max(0, part));
  return (
    <span class="meter" role="meter" aria-label={label} aria-valuemin={0} aria-valuemax={100} aria-valuenow={Math.round(shown * 100)}>
      <span class={tone} style={{ width: `${shown * 100}%`, minWidth: shown > 0 ? '2px' : 0 }} />
    </span>
  );
}
