import { randomUUID } from 'node:crypto';
import type { Client, Handle, Unsubscribe } from '../../src/index.js';
import { WalcastError } from '../../src/index.js';
import { Page } from '../support/page.js';
import { comparable, Stage } from '../support/stage.js';
import { token } from '../support/token.js';
import { until } from '../support/until.js';

interface Person {
  client: Client;
  page: Page;
  /** By places: rows, and after them the two entities. */
  watched: Map<number, Unsubscribe>;
}

/** Two clients, four rows that may be there, and what both believe of them. */
export class World {
  /** How many of the tokens that are asked for next are no good. */
  refusals = 0;
  readonly problems: unknown[] = [];
  private readonly ids: string[] = Array.from({ length: 4 }, () => randomUUID());
  private readonly pending = new Set<Promise<unknown>>();
  private readonly people: Person[];

  private constructor(readonly stage: Stage) {
    this.people = ['ann', 'bob'].map((name) => {
      const page = new Page();
      const token_ = () => (this.refusals-- > 0 ? 'nonsense' : token(name));
      const settings = { hiddenTimeout: 20, failuresBeforePolling: 2, timeout: 15_000 };
      const client = stage.client({ ...settings, token: token_, visibility: page });
      return { client, page, watched: new Map() };
    });
  }

  static async begin(): Promise<World> {
    const stage = await Stage.set();
    const world = new World(stage);
    for (const who of [0, 1]) for (const at of [0, 4]) world.watch(who, at);
    for (let at = 0; at < 3; at++) await world.insert(at, [{ id: 'r', components: [{ id: 'n0', text: '' }] }]);
    return world;
  }

  id(at: number): string {
    return this.ids[at]!;
  }

  /** Rows keep their places, so that one that is deleted may come again, under its old id. */
  async insert(at: number, rows: unknown[]): Promise<void> {
    await this.stage.db.sql(
      `INSERT INTO components (id, entity_type, entity_id, type, name, rows) VALUES ($1, 'page', $2, 'text', 'new', $3) ON CONFLICT DO NOTHING`,
      [this.id(at), String(1 + (at % 2)), JSON.stringify(rows)],
    );
  }

  watch(who: number, at: number): void {
    const { watched } = this.people[who]!;
    if (!watched.has(at)) watched.set(at, this.handle(who, at).watch(() => {}));
  }

  leave(who: number, at: number): void {
    const { watched } = this.people[who]!;
    watched.get(at)?.();
    watched.delete(at);
  }

  turn(who: number): void {
    const { page } = this.people[who]!;
    page.turn(!page.hidden);
  }

  async write(who: number, what: string, at: number, value: number): Promise<void> {
    const { client } = this.people[who]!;
    const one = client.component(this.id(at));
    const version = (one.state.data as any)?.version ?? 1;
    const writes: Record<string, () => Promise<unknown>> = {
      update: () => one.update({ name: `${who} ${value}`, data: { [`by${who}`]: value } }),
      versioned: () => one.update({ type: `${who} ${value}` }, { version }),
      'nested-create': () => one.nested('r').create({ id: `n${value % 4}`, text: `${who}` }),
      'nested-update': () => one.nested('r').update(`n${value % 4}`, { text: `${who} ${value}`, [`m${value}`]: value % 2 ? value : null }),
      'nested-delete': () => one.nested('r').delete(`n${value % 4}`),
      create: () => client.entity('page', 1 + (value % 2)).create({ type: 'made', name: `${who} ${value}` }),
      delete: () => one.delete(),
    };
    const write = writes[what]!().catch((error) => {
      // Refused by the database's state, or not carried out because nobody looked: all else is a fault.
      const isFair = error instanceof WalcastError && /^(conflict|not_found|invalid_payload|disconnected)$/.test(error.code);
      if (!isFair) this.problems.push(error);
    });
    this.pending.add(write.finally(() => this.pending.delete(write)));
  }

  /** All is well for a while: then every replica is what the table is. */
  async settle(): Promise<void> {
    const { proxy, db } = this.stage;
    proxy.blocked = undefined;
    this.refusals = 0;
    for (const { page } of this.people) if (page.hidden) page.turn(false);
    for (const { client } of this.people) await until('it is live', () => client.status === 'live');
    await Promise.all(this.pending);
    const truth = new Map<number, unknown>();
    for (let at = 0; at < 4; at++) {
      const rows = await db.sql('SELECT to_jsonb(c) AS row FROM components c WHERE id = $1', [this.id(at)]);
      truth.set(at, comparable(rows.map(({ row }) => row)));
    }
    for (const entity of [1, 2]) truth.set(3 + entity, comparable(await db.components(String(entity))));
    for (const [who, { watched }] of this.people.entries()) {
      for (const at of watched.keys()) await this.holds(who, at, JSON.stringify(sorted(truth.get(at))));
    }
  }

  private async holds(who: number, at: number, truth: string): Promise<void> {
    const held = () => {
      const { data, fresh } = this.handle(who, at).state;
      return fresh && JSON.stringify(sorted(comparable(data === null ? [] : [data].flat() as object[])));
    };
    await until(`${who} holds ${at} as it is`, () => held() === truth).catch((error) => {
      throw new Error(`${error.message}:\nheld  ${held()}\ntruth ${truth}`);
    });
  }

  private handle(who: number, at: number): Handle<any, any> {
    const { client } = this.people[who]!;
    return at < 4 ? client.component(this.id(at)) : client.entity('page', at - 3);
  }
}

/** jsonb orders keys in its own way. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, each]) => [key, sorted(each)]));
}
