import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { useChanging } from './changing';
import { useDesk } from './desk';
import type { Draft } from './drafts';
import { merge } from './merge';
import { keyOf } from './place';

/** Where two people changed one text at once, the second decides. */
export function ConflictDialog() {
  const { drafts } = useDesk();
  useChanging(drafts);
  const draft = drafts.conflict;
  return draft ? <Decision key={keyOf(draft.place)} draft={draft} /> : null;
}

function Decision({ draft }: { draft: Draft }) {
  const { drafts } = useDesk();
  const [base, mine, theirs] = [draft.base, draft.value, draft.theirs].map((value) => String(value ?? ''));
  const [merged, setMerged] = useState(() => merge(base!, mine!, theirs!));
  const ref = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => {
    const dialog = ref.current;
    dialog?.showModal();
    // The keyboard goes back to where it was.
    return () => dialog?.close();
  }, []);
  return (
    <dialog ref={ref} aria-labelledby="conflict" onClose={() => drafts.postpone(draft)}>
      <h2 id="conflict">Two of you changed this</h2>
      <p class="muted">Nothing was written. What is it to be?</p>
      <div class="versions">
        <Version title="Theirs" note="in the database" text={theirs!} action="Keep theirs" onClick={() => drafts.resolve(draft, draft.theirs)} />
        <Version title="Yours" note="only here" text={mine!} action="Keep mine" onClick={() => drafts.resolve(draft, mine)} />
      </div>
      <form method="dialog" onSubmit={(event) => {
        event.preventDefault();
        drafts.resolve(draft, merged);
      }}>
        <label for="merged">Both, put together</label>
        <textarea id="merged" rows={2} value={merged} onInput={(event) => setMerged(event.currentTarget.value)} />
        <div class="buttons">
          <button type="button" class="quiet" onClick={() => ref.current?.close()}>Decide later</button>
          <button type="submit">Save merged</button>
        </div>
      </form>
    </dialog>
  );
}

interface VersionProps {
  title: string;
  note: string;
  text: string;
  action: string;
  onClick: () => void;
}

function Version({ title, note, text, action, onClick }: VersionProps) {
  return (
    <div class="version">
      <h3>{title} <span class="muted">{note}</span></h3>
      <blockquote>{text || <span class="muted">nothing</span>}</blockquote>
      <button type="button" class="quiet" onClick={onClick}>{action}</button>
    </div>
  );
}
