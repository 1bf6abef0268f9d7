use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::{
    doctor::{self, Finding},
    events::plain_prefix,
    gateway::dashboard::Monitor,
    http::Health,
    hub::{Hub, Overview},
    replication::Progress,
    store::{
        Standing, Store,
        survey::{Survey, Table},
    },
    telemetry,
};

/// What the dashboard shows, gathered from whoever knows it.
pub struct Operations {
    pub store: Store,
    pub hub: Hub,
    pub health: Health,
    pub progress: Arc<Progress>,
    pub exposition: telemetry::Exposition,
    pub doctor: doctor::Settings,
    /// What may wait for one socket, and what the history may take, in bytes.
    pub outbox_bytes: usize,
    pub replay_bytes: usize,
    /// How the database stood when it was surveyed last. All that look share it.
    pub surveyed: Mutex<Option<(Instant, Survey)>>,
}

/// How long a survey is good for: it takes the database a dozen queries.
const SURVEY_HOLDS: Duration = Duration::from_secs(10);
/// How long a snapshot waits for the database and the dispatcher: without them it is told all the same.
const PATIENCE: Duration = Duration::from_millis(700);
/// How many rooms are told.
const ROOMS: usize = 12;

impl Monitor for Operations {
    fn snapshot(&self) -> BoxFuture<'_, Value> {
        Box::pin(async {
            let (standing, overview) = tokio::join!(
                tokio::time::timeout(PATIENCE, self.store.standing(&self.doctor.slot)),
                tokio::time::timeout(PATIENCE, self.hub.overview(ROOMS)),
            );
            self.exposition.tidy();
            let standing = standing.ok().and_then(Result::ok);
            let overview = overview.ok().and_then(Result::ok);
            self.tell(standing.as_ref(), overview.as_ref())
        })
    }

    fn published(&self) -> BoxFuture<'_, Result<Value, String>> {
        Box::pin(self.surveyed(|survey, _| {
            let tables: Vec<Value> = survey.tables.iter().map(|table| published(survey, table)).collect();
            json!({ "publication": self.doctor.publication, "tables": tables })
        }))
    }

    fn findings(&self) -> BoxFuture<'_, Result<Value, String>> {
        Box::pin(self.surveyed(|survey, at| {
            let mut findings: Vec<Finding> = doctor::judge(survey, &self.doctor);
            findings.sort_by_key(|finding| finding.severity);
            json!({ "findings": findings, "secondsAgo": at.elapsed().as_secs() })
        }))
    }
}

impl Operations {
    fn tell(&self, standing: Option<&Standing>, overview: Option<&Overview>) -> Value {
        let stream = standing.map(|standing| {
            json!({
                "logEnd": standing.log_end.to_string(),
                "lagBytes": standing.log_end.0.saturating_sub(self.progress.done().0),
                "unconfirmedBytes": standing.lag_bytes,
                "heldBytes": standing.held_bytes,
                "safeBytes": standing.safe_bytes,
                "walStatus": standing.wal_status,
            })
        });
        json!({
            "at": SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_millis() as u64,
            "version": env!("CARGO_PKG_VERSION"),
            "state": self.health.get().name(),
            "slot": self.doctor.slot,
            "plugin": self.doctor.plugin.to_string(),
            "publication": self.doctor.publication,
            "received": self.progress.received().to_string(),
            "confirmed": self.progress.confirmed().to_string(),
            // `None` where the database, or the dispatcher, does not say.
            "stream": stream,
            "hub": overview,
            "limits": { "outboxBytes": self.outbox_bytes, "replayBytes": self.replay_bytes },
            "metrics": self.exposition.values(),
        })
    }

    /// What is made of how the database stands, and stood a moment ago at most.
    async fn surveyed(&self, make: impl FnOnce(&Survey, Instant) -> Value) -> Result<Value, String> {
        let mut surveyed = self.surveyed.lock().await;
        if surveyed.as_ref().is_none_or(|(at, _)| at.elapsed() > SURVEY_HOLDS) {
            let survey = doctor::survey(&self.store, &self.doctor).await.map_err(|error| error.to_string())?;
            *surveyed = Some((Instant::now(), survey));
        }
        let (at, survey) = surveyed.as_ref().ok_or("the database was not surveyed")?;
        Ok(make(survey, *at))
    }
}

/// A published table, with its rule or what stands in for one.
fn published(survey: &Survey, table: &Table) -> Value {
    let rule = survey.rules.iter().find(|rule| rule.schema_name == table.schema && rule.table_name == table.name);
    let is_taken = |prefix: &str| survey.rules.iter().any(|rule| rule.prefix == prefix);
    let prefix =
        rule.map_or_else(|| plain_prefix(&table.schema, &table.name, is_taken).ok(), |rule| Some(rule.prefix.clone()));
    let hidden: Vec<&str> =
        table.columns.iter().filter(|column| !column.told).map(|column| column.name.as_str()).collect();
    json!({
        "table": table.to_string(),
        "prefix": prefix,
        "rule": rule,
        "key": table.key,
        "columns": table.columns.len() - hidden.len(),
        "hidden": hidden,
        "isFiltered": table.is_filtered,
        "rowSecurity": table.row_security,
        "policies": table.policies,
        "isFull": table.identities.iter().all(|identity| identity.kind == 'f'),
    })
}
