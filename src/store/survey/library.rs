use tokio_postgres::{Client, error::SqlState};

use super::{Server, Slot};
use crate::{postgres::remedy, store::StoreError};

/// Whether Postgres loads the output plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Library {
    Loads,
    /// What the server says, and what mends it.
    Refused {
        why: String,
        remedy: String,
    },
    /// It could not be tried: why.
    Unknown(String),
}

/// How long the slot may take, in milliseconds. Postgres loads the plugin first, and then waits for the transactions that
/// run, which may be long: who gets as far as that has the plugin.
const PATIENCE: u32 = 2_000;

/// Makes a temporary slot with the plugin and drops it: the one way to hear what the server would say to a real one.
pub(super) async fn try_out(client: &Client, plugin: &str, server: &Server, slot: Option<&Slot>) -> Library {
    // Part of Postgres, or in use this moment.
    if plugin == "pgoutput" || slot.is_some_and(|slot| slot.active && slot.plugin.as_deref() == Some(plugin)) {
        return Library::Loads;
    }
    if server.wal_level != "logical" || !server.may_replicate || server.used_slots >= server.max_slots {
        return Library::Unknown("no slot can be made to try it with".to_owned());
    }
    let name = format!("walcast_doctor_{}", uuid::Uuid::new_v4().simple());
    let made = async {
        client.batch_execute(&format!("SET statement_timeout = {PATIENCE}")).await?;
        let made = client
            .execute(
                "SELECT pg_catalog.pg_create_logical_replication_slot($1::text::name, $2::text::name, true)",
                &[&name, &plugin],
            )
            .await;
        client.batch_execute("RESET statement_timeout").await?;
        made?;
        client.execute("SELECT pg_catalog.pg_drop_replication_slot($1::text::name)", &[&name]).await
    };
    let Err(error) = made.await else { return Library::Loads };
    if error.code() == Some(&SqlState::QUERY_CANCELED) {
        return Library::Loads;
    }
    let refusal = error
        .as_db_error()
        .filter(|db| *db.code() == SqlState::UNDEFINED_FILE || db.message().contains("output plugin"));
    match refusal {
        Some(db) => Library::Refused {
            why: db.message().to_owned(),
            remedy: remedy(db.code().code(), db.message()).unwrap_or_default(),
        },
        None => Library::Unknown(StoreError::sql("make a temporary slot")(error).to_string()),
    }
}
