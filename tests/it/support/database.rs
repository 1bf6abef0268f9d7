use std::sync::atomic::{AtomicU32, Ordering};

use tokio_postgres::{Client, Config, NoTls};

use super::{walcast, within};

/// Any number: test processes that start at once queue up behind it to make the template.
const TEMPLATE_LOCK: i64 = 7_239_017;

static COUNTER: AtomicU32 = AtomicU32::new(0);

/// A migrated database of one test, with a connection as its superuser.
pub struct Database {
    pub name: String,
    pub client: Client,
    config: Config,
}

impl Database {
    /// Clones the migrated template, made by the first test that comes.
    pub async fn new() -> Self {
        let config = postgres();
        let admin = connect(&config).await;
        admin.execute("SELECT pg_advisory_lock($1)", &[&TEMPLATE_LOCK]).await.expect("locks");
        let exists = admin
            .query_one("SELECT EXISTS (SELECT FROM pg_database WHERE datname = 'walcast_template')", &[])
            .await
            .expect("looks up the template");
        if !exists.get::<_, bool>(0) {
            admin.batch_execute("CREATE DATABASE walcast_making").await.expect("creates");
            migrate(&dsn_of(&config, "walcast_making")).await;
            admin.batch_execute("ALTER DATABASE walcast_making RENAME TO walcast_template").await.expect("renames");
        }
        Database::create(config, "TEMPLATE walcast_template").await
    }

    /// One of another encoding than UTF8.
    pub async fn encoded(encoding: &str) -> Self {
        let database = Database::create(postgres(), &format!("TEMPLATE template0 ENCODING {encoding}")).await;
        migrate(&database.dsn()).await;
        database
    }

    async fn create(mut config: Config, options: &str) -> Self {
        // In a long run, numbers of processes come again.
        let since = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("a time after 1970").as_millis();
        let name = format!("t_{}_{}_{since:x}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
        let admin = connect(&config).await;
        admin.batch_execute(&format!("CREATE DATABASE {name} {options}")).await.expect("creates");
        config.dbname(&name);
        Database { client: connect(&config).await, config, name }
    }

    /// For `--database-url`.
    pub fn dsn(&self) -> String {
        dsn_of(&self.config, &self.name)
    }

    /// Another connection.
    pub async fn connect(&self) -> Client {
        connect(&self.config).await
    }

    /// Waits until all that is committed is confirmed to Postgres. It tells nobody when a slot advances, so it is asked.
    pub async fn until_confirmed(&self) {
        let end: String = self.value("SELECT pg_current_wal_lsn()::text").await;
        let confirmed = format!(
            "SELECT confirmed_flush_lsn >= '{end}' FROM pg_replication_slots WHERE slot_name = '{}'",
            self.name
        );
        within("the slot's advance", async {
            while !self.value::<bool>(&confirmed).await {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        })
        .await;
    }

    /// Runs statements in one implicit transaction.
    pub async fn sql(&self, statements: &str) {
        if let Err(error) = self.client.batch_execute(statements).await {
            let said = error.as_db_error().map_or_else(|| error.to_string(), ToString::to_string);
            panic!("{said}: {statements}");
        }
    }

    /// The first column of the first row.
    pub async fn value<T: for<'a> tokio_postgres::types::FromSql<'a>>(&self, query: &str) -> T {
        self.client.query_one(query, &[]).await.unwrap_or_else(|error| panic!("{query}: {error:?}")).get(0)
    }

    /// Lets a test number its writes by the version as it likes, which else counts by itself.
    pub async fn free_versions(&self) {
        self.sql("DROP TRIGGER walcast_version ON components").await;
    }

    /// Inserts a component of entity `page 1`; its id.
    pub async fn component(&self, name: &str, rows: &str) -> String {
        self.client
            .query_one(
                "INSERT INTO components (entity_type, entity_id, type, name, rows) \
                 VALUES ('page', '1', 'text', $1, $2::text::jsonb) RETURNING id::text",
                &[&name, &rows],
            )
            .await
            .expect("inserts")
            .get(0)
    }
}

fn postgres() -> Config {
    std::env::var("WALCAST_TEST_POSTGRES")
        .expect("WALCAST_TEST_POSTGRES is not set: run the tests by `make test` or under scripts/with-postgres.sh")
        .parse()
        .expect("WALCAST_TEST_POSTGRES is a DSN")
}

async fn migrate(dsn: &str) {
    let output = walcast().args(["migrate", "--database-url", dsn]).output().await.expect("runs");
    assert!(output.status.success(), "migrate: {}", String::from_utf8_lossy(&output.stderr));
}

async fn connect(config: &Config) -> Client {
    let (client, connection) = config.connect(NoTls).await.expect("connects to the test Postgres");
    tokio::spawn(connection);
    client
}

fn dsn_of(config: &Config, database: &str) -> String {
    let host = match config.get_hosts().first() {
        Some(tokio_postgres::config::Host::Tcp(host)) => host.clone(),
        Some(tokio_postgres::config::Host::Unix(path)) => path.display().to_string(),
        None => "127.0.0.1".to_owned(),
    };
    let port = config.get_ports().first().copied().unwrap_or(5432);
    let password =
        config.get_password().map(|password| String::from_utf8_lossy(password).into_owned()).unwrap_or_default();
    format!(
        "host={host} port={port} user={} password='{password}' dbname={database}",
        config.get_user().unwrap_or("postgres")
    )
}
