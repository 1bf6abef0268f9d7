import { useRef } from 'preact/hooks';
import type { Connection } from './connection';

export function SignIn({ connection, problem }: { connection: Connection; problem: string | null }) {
  const input = useRef<HTMLInputElement>(null);
  const submit = (event: Event) => {
    event.preventDefault();
    if (input.current?.value) connection.signIn(input.current.value);
  };
  return (
    <main id="main" class="signin">
      <form class="card" onSubmit={submit}>
        <h1><img src={`${import.meta.env.BASE_URL}icon.svg`} alt="" width="32" height="32" /> walcast</h1>
        <label for="token">Admin token</label>
        <input id="token" ref={input} type="password" autocomplete="off" spellcheck={false} required autofocus
          aria-describedby={problem ? 'problem help' : 'help'} aria-invalid={problem !== null} />
        <p id="problem" role="alert">{problem}</p>
        <button type="submit">Open the dashboard</button>
        <p id="help" class="hint">
          A token that your application signs with the claim <code>admin: true</code>, or <code>walcast token --user you --admin</code>.
          It stays in this tab. Who holds it sees every row that is published.
        </p>
      </form>
    </main>
  );
}
