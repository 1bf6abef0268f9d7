import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import { createClient } from 'walcast-client';
import type { Client, Component, EntityHandle } from 'walcast-client';
import { Changing } from './changing';
import { Company } from './company';
import { Connection } from './connection';
import { Cursors } from './cursors';
import { Drafts } from './drafts';
import { Log } from './log';
import { tokenFor } from './person';

/** Everything that somebody has before them: the page as the database holds it, and who and what is around it. */
export class Desk extends Changing {
  readonly client: Client;
  readonly room: EntityHandle;
  readonly connection: Connection;
  readonly company: Company;
  readonly cursors: Cursors;
  readonly drafts: Drafts;
  readonly log: Log;
  /** What went wrong last. */
  complaint: string | undefined;

  constructor(readonly me: string) {
    super();
    // Sooner than usual, since one watches it.
    const eager = { pollInterval: 2_000, failuresBeforePolling: 2 };
    this.client = createClient(location.origin, { token: () => tokenFor(me), ...eager });
    this.room = this.client.entity('page', 1);
    this.connection = new Connection(this.client, this.room);
    this.log = new Log(this.room, this.connection, me);
    this.company = new Company(this.client, this.room, me);
    this.cursors = new Cursors(this.room);
    this.drafts = new Drafts(this.client, (place, written) => this.log.own(place, written), (message) => this.complain(message));
    this.room.watch(() => this.changed());
  }

  /** `undefined` until it was fetched; in the order in which they were made. */
  get components(): Component[] | undefined {
    const age = ({ created_at, id }: Component) => created_at + id;
    return this.room.state.data?.toSorted((a, b) => (age(a) < age(b) ? -1 : 1));
  }

  /** Does something that may fail, and says so. */
  async attempt(deed: () => Promise<unknown>): Promise<void> {
    this.complain(undefined);
    await deed().catch((error: Error) => this.complain(error.message));
  }

  complain(message: string | undefined): void {
    this.complaint = message;
    this.changed();
  }
}

const DeskContext = createContext<Desk | undefined>(undefined);
export const DeskProvider = DeskContext.Provider;

export function useDesk(): Desk {
  const desk = useContext(DeskContext);
  if (!desk) throw new Error('useDesk is called outside of a DeskProvider');
  return desk;
}
