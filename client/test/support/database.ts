import pg from 'pg';

const admin = process.env['WALCAST_TEST_POSTGRES'];
let counter = 0;

/** A database of one test. walcast migrates it when it starts. */
export class Database {
  private last: Promise<unknown> = Promise.resolve();

  private constructor(readonly name: string, readonly url: string, private readonly client: pg.Client) {}

  /** Empty, or as another is. */
  static async create(template = 'template1'): Promise<Database> {
    if (!admin) throw new Error('WALCAST_TEST_POSTGRES is not set: run this by `make client-test`, or beside scripts/with-postgres.sh');
    const name = `c_${process.pid}_${counter++}`;
    const root = await connect(admin);
    await root.query(`CREATE DATABASE ${name} TEMPLATE ${template}`);
    await root.end();
    const url = admin.replace(/\/postgres$/, `/${name}`);
    return new Database(name, url, await connect(url));
  }

  /** One after another, however they are asked for. */
  sql<T extends pg.QueryResultRow = any>(text: string, values: unknown[] = []): Promise<T[]> {
    const asked = this.last.then(async () => (await this.client.query<T>(text, values)).rows);
    this.last = asked.catch(() => {});
    return asked;
  }

  /** A component of entity `page 1`, unless another is said; its id. */
  async component(name: string, rows: unknown[] = [], entity = '1'): Promise<string> {
    const [row] = await this.sql(
      "INSERT INTO components (entity_type, entity_id, type, name, rows) VALUES ('page', $3, 'text', $1, $2) RETURNING id",
      [name, JSON.stringify(rows), entity],
    );
    return row.id;
  }

  /** What the table holds of the columns that can be compared as they are. */
  async components(entity = '1'): Promise<Record<string, unknown>[]> {
    const rows = await this.sql(
      "SELECT to_jsonb(c) - 'created_at' - 'updated_at' AS row FROM components c WHERE entity_type = 'page' AND entity_id = $1",
      [entity],
    );
    return rows.map(({ row }) => row);
  }

  /** Closes the connection, as nobody may have one to what is copied. */
  async leave(): Promise<void> {
    await this.client.end();
  }

  async drop(): Promise<void> {
    await this.leave();
    const root = await connect(admin!);
    await root.query('SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = $1 AND NOT active', [this.name]);
    await root.query(`DROP DATABASE IF EXISTS ${this.name} WITH (FORCE)`);
    await root.end();
  }
}

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  return client;
}
