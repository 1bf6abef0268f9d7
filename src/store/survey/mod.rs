//! What `walcast doctor` judges: how the database stands now. Only reads, but for a slot that is gone again at once
//! ([`Library`]).

mod facts;
mod guards;
mod library;

use std::time::SystemTime;

use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio_postgres::types::ToSql;

pub use facts::{ClientRole, Clock, Lack, Publication, Purpose, ReplicaIdentity, Schema, Server, Slot, Survey, Table};
pub use guards::GuardFacts;
pub use library::Library;

use super::{Store, StoreError, migrations};

/// What is to be surveyed: names as `walcast serve` has them.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    pub publication: &'a str,
    pub slot: &'a str,
    /// The output plugin.
    pub plugin: &'a str,
    /// The role that sockets act as.
    pub client_role: &'a str,
}

impl Store {
    /// # Errors
    /// The database cannot be asked. What it refuses to show of walcast's own is part of the survey.
    pub async fn survey(&self, subject: Subject<'_>) -> Result<Survey, StoreError> {
        let Subject { publication, slot, plugin, client_role } = subject;
        let clock = self.clock().await?;
        let server: Server = self
            .ask_one("read the server's settings", include_str!("../../../sql/queries/survey_server.sql"), &[])
            .await?;
        let schema = match migrations::is_up_to_date(self).await {
            Ok(true) => Schema::Current,
            Ok(false) => match self.require_migrated().await {
                Ok(()) => Schema::OtherText,
                Err(error) => Schema::Refused(error.to_string()),
            },
            Err(error) => Schema::Refused(error.to_string()),
        };
        let (rules, refused_rules) = match self.rules_and_refused().await {
            // Not there, or not ours to read: that is the schema's finding, or a privilege's.
            Err(error) if error.is_refusal() => Default::default(),
            read => read?,
        };
        let writable: Vec<[&str; 2]> = rules
            .iter()
            .filter(|rule| rule.writable.is_some())
            .map(|rule| [rule.schema_name.as_str(), rule.table_name.as_str()])
            .collect();
        let writable = serde_json::to_value(writable).map_err(|error| StoreError::Pool(error.to_string()))?;
        let slot =
            self.ask("look up the slot", include_str!("../../../sql/queries/survey_slot.sql"), &[&slot]).await?.pop();
        let guards = match self.guard_facts(publication, client_role).await {
            Err(error) if error.is_refusal() => Vec::new(),
            read => read?,
        };
        let client = self.client().await?;
        Ok(Survey {
            guards,
            clock,
            schema,
            lacks: self
                .ask(
                    "look up privileges",
                    include_str!("../../../sql/queries/survey_privileges.sql"),
                    &[&publication, &writable],
                )
                .await?,
            publication: self
                .ask_one(
                    "look up the publication",
                    include_str!("../../../sql/queries/survey_publication.sql"),
                    &[&publication],
                )
                .await?,
            tables: self
                .ask(
                    "look up what is published",
                    include_str!("../../../sql/queries/survey_tables.sql"),
                    &[&publication],
                )
                .await?,
            client_role: self
                .ask(
                    "look up the role of clients",
                    include_str!("../../../sql/queries/survey_client_role.sql"),
                    &[&client_role, &publication],
                )
                .await?
                .pop(),
            library: library::try_out(&client, plugin, &server, slot.as_ref()).await,
            server,
            slot,
            rules,
            refused_rules,
        })
    }

    async fn clock(&self) -> Result<Clock, StoreError> {
        let client = self.client().await?;
        // Prepared first, so that one round trip is what is measured.
        let asks = client
            .prepare("SELECT (extract(epoch FROM pg_catalog.clock_timestamp()) * 1000)::int8")
            .await
            .map_err(StoreError::sql("read the clock"))?;
        let before = millis();
        let row = client.query_one(&asks, &[]).await.map_err(StoreError::sql("read the clock"))?;
        Ok(Clock { before, database: row.get(0), after: millis() })
    }

    /// Each row of a query whose rows are one JSON object.
    async fn ask<T: DeserializeOwned>(
        &self,
        doing: &str,
        query: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<T>, StoreError> {
        let rows = self.client().await?.query(query, parameters).await.map_err(StoreError::sql(doing))?;
        let read = |row: &tokio_postgres::Row| {
            let value: Value = row.try_get(0).map_err(StoreError::sql(doing))?;
            serde_json::from_value(value).map_err(|error| StoreError::Unread { doing: doing.to_owned(), error })
        };
        rows.iter().map(read).collect()
    }

    async fn ask_one<T: DeserializeOwned>(
        &self,
        doing: &str,
        query: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<T, StoreError> {
        let found = self.ask(doing, query, parameters).await?.pop();
        found.ok_or_else(|| StoreError::Nothing { doing: doing.to_owned() })
    }
}

/// This machine's clock, in milliseconds since 1970.
fn millis() -> i64 {
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
