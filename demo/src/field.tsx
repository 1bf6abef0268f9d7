import { useLayoutEffect, useRef } from 'preact/hooks';
import type { Component } from 'walcast-client';
import { useChanging } from './changing';
import { useDesk } from './desk';
import { keyOf, valueAt } from './place';
import type { Place } from './place';

interface Props {
  component: Component;
  place: Place;
  label: string;
  class?: string;
}

/** A text that is changed where it stands: it is written when one leaves it or presses Enter, Escape gives up. */
export function Field({ component, place, label, class: name = '' }: Props) {
  const { drafts, company } = useDesk();
  useChanging(drafts, company);
  const key = keyOf(place);
  const draft = drafts.of(place);
  const there = valueAt(component, place);
  const value = String(draft ? draft.value : (there ?? ''));
  const [guest] = company.others.filter(({ field }) => field === key);
  const isOvertaken = draft?.phase === 'editing' && there !== draft.base;
  const ref = useRef<HTMLTextAreaElement>(null);
  useLayoutEffect(() => fit(ref.current), [value]);
  const press = (event: KeyboardEvent) => {
    if (event.key === 'Escape') drafts.drop(place);
    else if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      drafts.commit(place);
    }
  };
  return (
    <span class={`field ${name}`} data-guest={guest ? '' : undefined} style={guest && { '--person': guest.colour }}>
      <textarea
        ref={ref}
        rows={1}
        value={value}
        aria-label={label}
        placeholder={label}
        spellcheck={false}
        autocomplete="off"
        onInput={(event) => {
          drafts.change(component, place, event.currentTarget.value);
          company.type(component.id);
        }}
        onFocus={() => company.lookAt(component.id, key)}
        onBlur={() => {
          drafts.commit(place);
          company.lookAt(component.id);
        }}
        onKeyDown={press}
      />
      {guest && <span class="flag">{guest.name}</span>}
      {isOvertaken && <span class="hint">Changed by somebody else meanwhile</span>}
      {draft?.phase === 'waiting' && <span class="hint">Kept here until there is a connection</span>}
    </span>
  );
}

/** Where the browser does not make a field as high as its text, we do. */
function fit(field: HTMLTextAreaElement | null): void {
  if (!field || CSS.supports('field-sizing', 'content')) return;
  field.style.height = 'auto';
  field.style.height = `${field.scrollHeight}px`;
}

/** A box to tick; what is ticked last stands. */
export function Tick({ component, place, label }: Props) {
  const { drafts } = useDesk();
  useChanging(drafts);
  const draft = drafts.of(place);
  return (
    <input
      type="checkbox"
      aria-label={label}
      checked={Boolean(draft ? draft.value : valueAt(component, place))}
      onChange={(event) => {
        drafts.change(component, place, event.currentTarget.checked);
        drafts.commit(place);
      }}
    />
  );
}
