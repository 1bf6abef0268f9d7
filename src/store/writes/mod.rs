//! Writes of sockets: each is one transaction, of SQL made from the rule of its prefix and the columns of its table. Nothing
//! is told here: what others see of a write comes back through the log.

mod mutations;
mod refusal;
mod row;
mod sql;
mod table;
mod transaction;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use deadpool_postgres::{Object, Pool};
use rand::RngExt;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, value::RawValue};

use super::{StoreError, pool};
use crate::{postgres::Dsn, telemetry};

pub use refusal::WriteError;
use refusal::{Setback, Verdict};
use table::WriteTable;

/// What writes keep to.
#[derive(Clone, Copy, Debug)]
pub struct WriteSettings {
    /// Connections for writes; the server has others for what it asks itself.
    pub connections: usize,
    /// How long one statement may take, and how long a write may wait for a connection.
    pub timeout: Duration,
    /// How long the answers of writes that carried a `mutationId` are kept.
    pub keep_mutations: Duration,
}

/// Who writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub user_id: String,
    /// The claims of the token, as JSON: `request.jwt.claims` to triggers and policies.
    pub claims: Arc<str>,
}

/// One write that a socket asks for.
#[derive(Clone, Debug)]
pub struct Write {
    pub identity: Arc<Identity>,
    /// The name of the socket in the log: it is not told of its own updates.
    pub socket: String,
    /// The rule under which it writes.
    pub prefix: String,
    pub action: Action,
    /// Names the write, among all of its user's: a repeat is answered as the first was.
    pub mutation: Option<String>,
}

/// Names and values of columns, or of members of a nested component.
pub type Values = Map<String, Value>;

/// What is to be written. `version`: only if the row is still at it.
#[derive(Clone, Debug)]
pub enum Action {
    Create { entity: Option<(String, String)>, values: Values },
    Update { id: String, updates: Values, version: Option<i64> },
    Delete { id: String, version: Option<i64> },
    NestedCreate { id: String, row: String, nested: Values },
    NestedUpdate { id: String, row: String, nested: String, updates: Values, version: Option<i64> },
    NestedDelete { id: String, row: String, nested: String, version: Option<i64> },
}

impl Action {
    fn version(&self) -> Option<i64> {
        match self {
            Action::Update { version, .. }
            | Action::Delete { version, .. }
            | Action::NestedUpdate { version, .. }
            | Action::NestedDelete { version, .. } => *version,
            Action::Create { .. } | Action::NestedCreate { .. } => None,
        }
    }
}

/// A write that was committed. Values are as events tell them.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Written {
    /// Of what was created: the row, or the nested component.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<i64>,
    /// The columns that changed otherwise than the write said: kept by the database, or brought into its own form.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub updates: BTreeMap<String, Box<RawValue>>,
}

/// How often a write is tried that others get in the way of.
const ATTEMPTS: u32 = 6;
/// How often the rule and the columns are read again that changed under a write.
const READINGS: u32 = 3;
/// How many connections may be lost under a write: those of the pool may have been ended while nobody used them.
const CONNECTIONS: u32 = 2;
/// How long to wait before the second attempt, at most; each further one may wait twice as long.
const BACKOFF: Duration = Duration::from_millis(10);

/// The way to write. Cheap to clone.
#[derive(Clone)]
pub struct Writes(Arc<Inner>);

struct Inner {
    pool: Pool,
    settings: WriteSettings,
    publication: String,
    /// As which guarded tables are written.
    role: String,
    /// As they were when last read, by prefix. A write notices where that has changed.
    tables: Mutex<HashMap<String, Arc<WriteTable>>>,
}

impl Writes {
    /// Connects when the first write comes.
    /// `role`: as which guarded tables are written.
    pub fn new(dsn: &Dsn, publication: &str, role: &str, settings: WriteSettings) -> Result<Self, StoreError> {
        let pool = pool::build(dsn, settings.connections, settings.timeout, settings.timeout)?;
        let (publication, role) = (publication.to_owned(), role.to_owned());
        Ok(Writes(Arc::new(Inner { pool, settings, publication, role, tables: Mutex::default() })))
    }

    /// Carries a write out. When it returns, the write is committed, or, but for [`WriteError::Unavailable`] with
    /// `is_unknown`, nothing of it is.
    pub async fn carry_out(&self, write: &Write) -> Result<Written, WriteError> {
        let outcome = self.try_often(write).await;
        telemetry::write(outcome.as_ref().map_or_else(WriteError::name, |_| "ok"));
        outcome
    }

    async fn try_often(&self, write: &Write) -> Result<Written, WriteError> {
        let (mut attempts, mut readings, mut connections) = (0, 0, 0);
        loop {
            let verdict = match self.attempt(write).await {
                Ok(written) => return Ok(written),
                Err(Setback::Refused(error)) => return Err(error),
                Err(Setback::Changed) => {
                    Verdict::ReadAgain(WriteError::unavailable("the rule keeps changing: try again"))
                }
                Err(Setback::Sql(error)) => refusal::verdict(&error),
            };
            match verdict {
                Verdict::ReadAgain(_) if readings < READINGS => {
                    readings += 1;
                    self.forget(&write.prefix);
                }
                Verdict::Reconnect(_) if connections < CONNECTIONS => connections += 1,
                Verdict::TryAgain(_) if attempts + 1 < ATTEMPTS => {
                    telemetry::write_retried();
                    let share: f64 = rand::rng().random();
                    tokio::time::sleep((BACKOFF * 2_u32.pow(attempts)).mul_f64(share)).await;
                    attempts += 1;
                }
                Verdict::Reconnect(error)
                | Verdict::ReadAgain(error)
                | Verdict::TryAgain(error)
                | Verdict::Refuse(error) => return Err(error),
            }
        }
    }

    async fn attempt(&self, write: &Write) -> Result<Written, Setback> {
        let timeout = self.0.settings.timeout;
        let mut client = self.client().await?;
        let mut committing = false;
        let attempt = async {
            let table = self.table(&client, write).await?;
            let frame = transaction::Frame { role: &self.0.role, timeout };
            transaction::run(&mut client, &table, write, frame, &mut committing).await
        };
        // Postgres keeps the time of each statement itself; this is for one that cannot be reached any more.
        match tokio::time::timeout(timeout * 2, attempt).await {
            Ok(outcome) => outcome,
            Err(_) => {
                // What it still has under way is nobody's any more.
                drop(Object::take(client));
                let late = WriteError::unavailable("the database did not answer in time");
                Err(if committing { WriteError::unknown() } else { late }.into())
            }
        }
    }

    async fn client(&self) -> Result<Object, WriteError> {
        self.0.pool.get().await.map_err(|error| refusal::no_connection(&error))
    }

    /// The table of the write's prefix, in which it can be carried out as far as the rule says.
    async fn table(&self, client: &Object, write: &Write) -> Result<Arc<WriteTable>, Setback> {
        let known = self.tables().get(&write.prefix).cloned();
        // What it refuses the rule may allow by now.
        if let Some(table) = known.filter(|table| table.check(&write.action).is_ok()) {
            return Ok(table);
        }
        self.forget(&write.prefix);
        let table = Arc::new(WriteTable::read(client, &write.prefix, &self.0.publication, &self.0.role).await?);
        table.check(&write.action)?;
        self.tables().insert(write.prefix.clone(), Arc::clone(&table));
        Ok(table)
    }

    fn forget(&self, prefix: &str) {
        self.tables().remove(prefix);
    }

    fn tables(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<WriteTable>>> {
        self.0.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
