use std::collections::HashMap;

use refinery::Target;
use sha2::{Digest, Sha256};

use super::{Store, StoreError, pool::CONNECT_TIMEOUT};
use crate::postgres::{Dsn, tls};

mod embedded {
    refinery::embed_migrations!("migrations");
}

/// SQL that is applied anew whenever its text changes, in this order: it is kept whole in one file each instead of being
/// recopied by every migration that touches it.
const REPEATABLE: [(&str, &str); 12] = [
    ("functions/set_actor", include_str!("../../sql/functions/set_actor.sql")),
    ("functions/broadcast", include_str!("../../sql/functions/broadcast.sql")),
    ("functions/broadcast_table", include_str!("../../sql/functions/broadcast_table.sql")),
    ("functions/unbroadcast_table", include_str!("../../sql/functions/unbroadcast_table.sql")),
    ("functions/bump_version", include_str!("../../sql/functions/bump_version.sql")),
    ("functions/keep_version", include_str!("../../sql/functions/keep_version.sql")),
    ("functions/nested_document", include_str!("../../sql/functions/nested_document.sql")),
    ("functions/nested_write", include_str!("../../sql/functions/nested_write.sql")),
    ("functions/nested_create", include_str!("../../sql/functions/nested_create.sql")),
    ("functions/nested_update", include_str!("../../sql/functions/nested_update.sql")),
    ("functions/nested_delete", include_str!("../../sql/functions/nested_delete.sql")),
    ("views/status", include_str!("../../sql/views/status.sql")),
];

/// Any fixed number serves: it names the lock that migrating servers of one database queue up for.
const LOCK: i64 = 0x77616c63617374;

/// What [`migrate`] did.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Migrated {
    /// `V1__walcast_schema`, in the order applied.
    pub migrations: Vec<String>,
    /// `functions/set_actor`, in the order applied.
    pub repeatable: Vec<String>,
}

/// Brings the database to this version's schema. Does nothing where it is there already; servers that start at once
/// wait for each other; a database of a newer version is refused.
pub async fn migrate(dsn: &Dsn) -> Result<Migrated, StoreError> {
    let mut config = dsn.config().clone();
    config.application_name("walcast migrate").connect_timeout(CONNECT_TIMEOUT);
    let (mut client, connection) =
        config.connect(tls(dsn)?).await.map_err(|error| StoreError::connecting(error, dsn, CONNECT_TIMEOUT))?;
    let connection = tokio::spawn(connection);
    let migrated = migrate_on(&mut client).await;
    // Closing the session gives the advisory lock back.
    drop(client);
    let _ = connection.await;
    migrated
}

impl Store {
    /// Refuses a database that `walcast migrate` has not brought to this version's schema.
    pub async fn require_migrated(&self) -> Result<(), StoreError> {
        let client = self.client().await?;
        let known = known_version();
        match newest_applied(&client).await? {
            Some(found) if found == known => Ok(()),
            Some(found) if found > known => Err(StoreError::TooNew { found, known }),
            Some(found) => Err(StoreError::NotMigrated { found, known }),
            None => Err(StoreError::NotMigrated { found: 0, known }),
        }
    }
}

/// Whether `walcast migrate` would do nothing; a newer database is an error. Only reads.
pub(super) async fn is_up_to_date(store: &Store) -> Result<bool, StoreError> {
    is_current(&*store.client().await?).await
}

fn known_version() -> i32 {
    embedded::migrations::runner().get_migrations().iter().map(|migration| migration.version()).max().unwrap_or(0)
}

async fn migrate_on(client: &mut tokio_postgres::Client) -> Result<Migrated, StoreError> {
    // Asked first, by reading alone: the role that serves may not write the schema.
    if is_current(client).await? {
        return Ok(Migrated::default());
    }
    client
        .execute("SELECT pg_advisory_lock($1)", &[&LOCK])
        .await
        .map_err(StoreError::sql("take the migration lock"))?;
    // Another server may have migrated while this one waited.
    if is_current(client).await? {
        return Ok(Migrated::default());
    }
    client
        .batch_execute(
            "SET client_min_messages = warning; \
             CREATE SCHEMA IF NOT EXISTS walcast; \
             CREATE TABLE IF NOT EXISTS walcast.applied_sql (name text PRIMARY KEY, hash text NOT NULL); \
             COMMENT ON TABLE walcast.applied_sql IS 'Functions and views as walcast migrate last wrote them.'",
        )
        .await
        .map_err(StoreError::sql("create schema walcast"))?;

    let mut runner = embedded::migrations::runner();
    runner.set_migration_table_name("walcast.schema_history");
    let report = runner
        .set_target(Target::Latest)
        .run_async(client)
        .await
        .map_err(|error| StoreError::Migration(spelled_out(&error)))?;

    let mut migrated = Migrated::default();
    migrated.migrations.extend(report.applied_migrations().iter().map(|migration| migration.to_string()));
    for (name, sql) in REPEATABLE {
        if apply_if_changed(client, name, sql).await? {
            migrated.repeatable.push(name.to_owned());
        }
    }
    Ok(migrated)
}

/// Whether the database is exactly at this version's schema; a newer one is an error. Only reads.
async fn is_current(client: &tokio_postgres::Client) -> Result<bool, StoreError> {
    let known = known_version();
    match newest_applied(client).await? {
        Some(found) if found == known => {}
        Some(found) if found > known => return Err(StoreError::TooNew { found, known }),
        _ => return Ok(false),
    }
    let migrations = hashes(client, "SELECT version::text, checksum FROM walcast.schema_history").await?;
    let is_applied = |name: &str, hash: &str| migrations.get(name).is_some_and(|applied| applied == hash);
    let runner = embedded::migrations::runner();
    if !runner.get_migrations().iter().all(|m| is_applied(&m.version().to_string(), &m.checksum().to_string())) {
        return Ok(false);
    }
    let repeatable = hashes(client, "SELECT name, hash FROM walcast.applied_sql").await?;
    Ok(REPEATABLE.iter().all(|(name, sql)| repeatable.get(*name) == Some(&hash_of(sql))))
}

/// What was applied, by name.
async fn hashes(client: &tokio_postgres::Client, query: &str) -> Result<HashMap<String, String>, StoreError> {
    let rows = client.query(query, &[]).await.map_err(StoreError::sql("read which migrations were applied"))?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

async fn newest_applied(client: &tokio_postgres::Client) -> Result<Option<i32>, StoreError> {
    let doing = || StoreError::sql("read walcast.schema_history");
    let exists =
        client.query_one("SELECT to_regclass('walcast.schema_history') IS NOT NULL", &[]).await.map_err(doing())?;
    if !exists.get::<_, bool>(0) {
        return Ok(None);
    }
    let row = client.query_one("SELECT max(version)::int4 FROM walcast.schema_history", &[]).await.map_err(doing())?;
    Ok(row.get(0))
}

fn hash_of(sql: &str) -> String {
    Sha256::digest(sql).iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn apply_if_changed(client: &mut tokio_postgres::Client, name: &str, sql: &str) -> Result<bool, StoreError> {
    let hash = hash_of(sql);
    let doing = || StoreError::sql(format!("apply sql/{name}.sql"));

    let transaction = client.transaction().await.map_err(doing())?;
    let changed = transaction
        .execute(
            "INSERT INTO walcast.applied_sql AS a (name, hash) VALUES ($1, $2) \
             ON CONFLICT (name) DO UPDATE SET hash = excluded.hash WHERE a.hash <> excluded.hash",
            &[&name, &hash],
        )
        .await
        .map_err(doing())?
        > 0;
    if changed {
        transaction.batch_execute(sql).await.map_err(doing())?;
    }
    transaction.commit().await.map_err(doing())?;
    Ok(changed)
}

/// An error with its sources: the outermost only says that a migration failed.
fn spelled_out(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
