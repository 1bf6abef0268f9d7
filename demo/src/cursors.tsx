import type { EntityHandle } from 'walcast-client';
import { useLayoutEffect, useRef } from 'preact/hooks';
import { Changing, useChanging } from './changing';
import { useDesk } from './desk';

/** Where a pointer is: on a component, or on the page beside them, in fractions of it, since pages differ in width. */
interface Position {
  on: string | null;
  x: number;
  y: number;
}

const STAYS_MS = 6_000;
const EVERY_MS = 50;

/** Where the pointers of the others are, of those that moved a moment ago. */
export class Cursors extends Changing {
  readonly positions = new Map<string, Position>();
  #clocks = new Map<string, ReturnType<typeof setTimeout>>();
  #said = -EVERY_MS;

  constructor(readonly room: EntityHandle) {
    super();
    room.on('cursor', ({ userId, position }) => {
      this.positions.set(userId, position as Position);
      clearTimeout(this.#clocks.get(userId));
      this.#clocks.set(userId, setTimeout(() => this.#forget(userId), STAYS_MS));
      this.changed();
    });
    room.presence.on((users) => {
      for (const name of this.positions.keys()) if (!users.some(({ id }) => id === name)) this.#forget(name);
    });
  }

  point(canvas: HTMLElement, { target, clientX, clientY }: PointerEvent): void {
    const now = performance.now();
    if (now - this.#said < EVERY_MS) return;
    this.#said = now;
    const card = (target as Element).closest<HTMLElement>('[data-component]');
    const { left, top, width, height } = (card ?? canvas).getBoundingClientRect();
    this.room.cursor({ on: card?.dataset.component ?? null, x: (clientX - left) / width, y: (clientY - top) / height });
  }

  #forget(name: string): void {
    this.positions.delete(name);
    this.changed();
  }
}

/** The pointers, over the page. */
export function CursorLayer() {
  const { cursors, company } = useDesk();
  useChanging(cursors, company);
  const shown = company.others.filter(({ name }) => cursors.positions.has(name));
  return (
    <div class="cursors" aria-hidden="true">
      {shown.map(({ name, colour }) => <Cursor key={name} name={name} colour={colour} position={cursors.positions.get(name)!} />)}
    </div>
  );
}

function Cursor({ name, colour, position }: { name: string; colour: string; position: Position }) {
  const ref = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const canvas = ref.current?.closest<HTMLElement>('.canvas');
    const on = position.on && canvas?.querySelector<HTMLElement>(`[data-component="${CSS.escape(position.on)}"]`);
    if (!canvas || !ref.current) return;
    const [frame, box] = [canvas.getBoundingClientRect(), (on || canvas).getBoundingClientRect()];
    const [x, y] = [box.left - frame.left + position.x * box.width, box.top - frame.top + position.y * box.height];
    ref.current.style.transform = `translate(${x}px, ${y}px)`;
  }, [position]);
  return (
    <div class="cursor" ref={ref} style={{ '--person': colour }}>
      <svg viewBox="0 0 16 20" width="16" height="20"><path d="M1 1l4 17 3.2-6.6L15 10z" /></svg>
      <span>{name}</span>
    </div>
  );
}
