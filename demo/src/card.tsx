import type { Component, ComponentRow, NestedComponent } from 'walcast-client';
import { useState } from 'preact/hooks';
import { Avatar } from './avatar';
import { useChanging } from './changing';
import { useDesk } from './desk';
import { Field, Tick } from './field';
import type { Place } from './place';
import { toneOf } from './tone';

/** A component of the page. */
export function Card({ component }: { component: Component }) {
  const { id, name, type, data } = component;
  const { company } = useDesk();
  const look = () => company.lookAt(id);
  return (
    <article class={`card ${type} tone-${toneOf(data)}`} data-component={id} aria-label={name} onPointerEnter={look} onPointerDown={look}>
      <div class="top">
        <h2><Field component={component} place={{ kind: 'column', componentId: id, member: 'name' }} label="Name" class="name" /></h2>
        <Watchers id={id} />
        <Delete component={component} />
      </div>
      {type === 'text' && <Field component={component} place={{ kind: 'data', componentId: id, member: 'text' }} label="Text" class="prose" />}
      <div class="rows">
        {list(component.rows).map((row) => <Row key={row.id} component={component} row={row} />)}
      </div>
    </article>
  );
}

/** Plain SQL may have put anything there. */
const list = <T,>(found: T[] | undefined): T[] => (Array.isArray(found) ? found : []);

/** Who looks at it, and who types in it. */
function Watchers({ id }: { id: string }) {
  const { company } = useDesk();
  useChanging(company);
  const typing = company.typingIn(id).map(({ name }) => name);
  return (
    <span class="watchers">
      {typing.length > 0 && <span class="typing"><span>{typing.join(', ')} {typing.length > 1 ? 'are' : 'is'} typing</span><i /><i /><i /></span>}
      {company.others.filter(({ componentId }) => componentId === id).map((person) => <Avatar key={person.name} {...person} isSmall says="looks at this" />)}
    </span>
  );
}

/** In two steps, since nobody can undo it. */
function Delete({ component: { id, name } }: { component: Component }) {
  const desk = useDesk();
  useChanging(desk.connection);
  const [isSure, setSure] = useState(false);
  if (!isSure) {
    return (
      <button type="button" class="icon" aria-label={`Delete ${name}`} disabled={desk.connection.status !== 'live'} onClick={() => setSure(true)}>
        <Cross />
      </button>
    );
  }
  return (
    <button type="button" class="danger" onBlur={() => setSure(false)} onClick={() => desk.attempt(() => desk.client.component(id).delete())}>
      Really delete?
    </button>
  );
}

function Row({ component, row }: { component: Component; row: ComponentRow }) {
  const title = String(row.title ?? '');
  return (
    <section class="row" aria-label={title}>
      {title && <h3>{title}</h3>}
      <ul>
        {list(row.components).map((nested) => <Item key={nested.id} component={component} row={row} nested={nested} />)}
      </ul>
      <NewItem component={component} row={row} />
    </section>
  );
}

function Item({ component, row, nested }: { component: Component; row: ComponentRow; nested: NestedComponent }) {
  const desk = useDesk();
  useChanging(desk.connection);
  const text = String(nested.text ?? '');
  const place = (member: string): Place =>
    ({ kind: 'nested', componentId: component.id, rowId: row.id, nestedId: nested.id, member });
  const remove = () => desk.attempt(() => desk.client.component(component.id).nested(row.id).delete(nested.id));
  return (
    <li class={nested.done ? 'item done' : 'item'}>
      {component.type === 'list' ? <Tick component={component} place={place('done')} label={`Done: ${text}`} /> : <span class="dot" />}
      <Field component={component} place={place('text')} label={text || 'Item'} />
      <button type="button" class="icon" aria-label={`Delete ${text}`} disabled={desk.connection.status !== 'live'} onClick={remove}><Cross /></button>
    </li>
  );
}

function NewItem({ component, row }: { component: Component; row: ComponentRow }) {
  const desk = useDesk();
  useChanging(desk.connection);
  const [text, setText] = useState('');
  const add = (event: Event) => {
    event.preventDefault();
    if (!text.trim()) return;
    setText('');
    const nested = component.type === 'list' ? { text: text.trim(), done: false } : { text: text.trim() };
    void desk.attempt(() => desk.client.component(component.id).nested(row.id).create(nested));
  };
  return (
    <form class="new" onSubmit={add}>
      <input
        type="text"
        value={text}
        autocomplete="off"
        placeholder="Add one"
        aria-label={`Add to ${String(row.title ?? component.name)}`}
        disabled={desk.connection.status !== 'live'}
        onInput={(event) => {
          setText(event.currentTarget.value);
          desk.company.type(component.id);
        }}
        onFocus={() => desk.company.lookAt(component.id)}
      />
    </form>
  );
}

const Cross = () => (
  <svg viewBox="0 0 16 16" width="14" height="14" aria-hidden="true"><path d="M4 4l8 8M12 4l-8 8" /></svg>
);
