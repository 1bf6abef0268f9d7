import { io } from 'socket.io-client';
import type { Socket } from 'socket.io-client';
import type { Database } from '../support/database.js';
import { Server } from '../support/server.js';
import { token } from '../support/token.js';
import { HERO, USER } from './names.js';
import type { Block } from './pages.js';
import { must, refusalOf } from './sql.js';
import type { Template } from './sql.js';

/** What stands in the docs for where the reader's server is. */
const SERVERS = /https:\/\/live\.example\.com|http:\/\/localhost:4000/g;

/** A page of the docs as its reader has it: a database in which the page's SQL was run, walcast on it, and somebody else. */
export class Scene {
  readonly token = token(USER, { broadcast: true });

  private constructor(readonly database: Database, readonly server: Server, private readonly other: Socket) {}

  static async set(template: Template, sql: Block[]): Promise<Scene> {
    const database = await template.clone();
    const refused = await refusalOf(database, sql);
    if (refused) throw new Error(refused);
    await must(database.url, 'client/test/docs/published.sql');
    const server = await Server.start(database, { DATABASE_URL: asRole(database.url), WALCAST_MIGRATE: 'false' });
    const other = io(server.url, { auth: { token: token('bob') }, forceNew: true });
    for (const room of [{ componentId: HERO }, { entityType: 'page', entityId: '1' }]) await other.emitWithAck('component:subscribe', room);
    return new Scene(database, server, other);
  }

  /** A text of the page, with what its reader puts in place of what stands there. */
  filled(text: string, { url } = this.database): string {
    return text
      .replace(SERVERS, this.server.url)
      .replaceAll("'TOKEN'", `'${this.token}'`)
      .replaceAll('postgres://owner:…@db/app', url)
      .replaceAll('postgres://walcast:…@db/app', asRole(url))
      .replaceAll('JWT_SECRET=… ', '');
  }

  /** All that can be heard of happens once. */
  async happen(): Promise<void> {
    await must(this.database.url, 'client/test/docs/happens.sql');
    for (const event of ['component:typing', 'component:cursor']) {
      for (const room of [{ componentId: HERO }, { entityType: 'page', entityId: '1' }]) this.other.emit(event, { ...room, position: { x: 1 } });
    }
  }

  async strike(): Promise<void> {
    this.other.disconnect();
    await this.server.stop();
    await this.database.drop();
  }
}

/** As the role that `sql/roles.sql` makes for the server. */
const asRole = (url: string): string => url.replace('postgres@', 'walcast@');
