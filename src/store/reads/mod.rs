//! Reads of clients that poll: rows of published tables, as the publication shows them, in the form in which events tell
//! them. Each is one transaction, of SQL made from the rule of its prefix.

mod columns;
mod error;
mod select;
mod snapshot;
mod table;

use std::time::Duration;

use deadpool_postgres::{Object, Pool};
use tokio_postgres::{IsolationLevel, Statement, Transaction};

use super::{
    StoreError, pool,
    rule_table::{DESCRIBES, act_as},
};
use crate::postgres::Dsn;

pub use error::ReadError;
use select::Select;
pub use snapshot::Snapshot;
use table::ReadTable;

/// Connections for reads; what the server asks itself has others.
const CONNECTIONS: usize = 4;
/// How long a connection may take to come about, and a read may wait for one.
const WAIT: Duration = Duration::from_secs(2);
/// How long one statement may take.
const STATEMENT: Duration = Duration::from_secs(5);
/// How long all of a read may take.
const READ: Duration = Duration::from_secs(8);
/// A page of more bytes ends before its limit of rows.
const PAGE_BYTES: usize = 4 << 20;

/// Which rows are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// By its key, as the row's room has it.
    Row { key: String },
    /// Those that belong to an entity, by the order of their keys: at most `limit`, behind the key `after`.
    Entity { entity_type: String, id: String, after: Option<String>, limit: u32 },
}

/// One read.
#[derive(Clone, Debug)]
pub struct Read<'a> {
    /// The rule under which it reads.
    pub prefix: &'a str,
    pub selection: Selection,
    /// The claims of the token, as JSON: `request.jwt.claims` to policies.
    pub claims: &'a str,
}

/// What a read found.
#[derive(Debug)]
pub struct Found {
    /// Another one where anything that is read has changed: short, of letters and digits.
    pub mark: String,
    pub snapshot: Snapshot,
    /// `None`: the mark is one that the reader knows.
    pub page: Option<Page>,
}

/// Rows as JSON objects, as events tell them.
#[derive(Debug, Default)]
pub struct Page {
    pub rows: Vec<String>,
    /// The version of a single row, as JSON, where the rule names a column for it.
    pub version: Option<String>,
    /// The key of the last row, where more follow.
    pub next: Option<String>,
}

/// The way to read. Cheap to clone.
#[derive(Clone)]
pub struct Reads {
    pool: Pool,
    publication: String,
    role: String,
}

impl Reads {
    /// Connects when the first read comes.
    /// `role`: as which guarded tables are read.
    pub fn new(dsn: &Dsn, publication: &str, role: &str) -> Result<Self, StoreError> {
        let pool = pool::build(dsn, CONNECTIONS, WAIT, WAIT)?;
        Ok(Reads { pool, publication: publication.to_owned(), role: role.to_owned() })
    }

    /// Reads, but for the rows where `is_known` knows their mark: that takes neither their values nor their text.
    pub async fn read(&self, read: &Read<'_>, is_known: impl Fn(&str) -> bool + Send) -> Result<Found, ReadError> {
        let mut client = self.pool.get().await.map_err(|error| error::no_connection(&error))?;
        // Postgres keeps the time of each statement itself; this is for one that cannot be reached any more.
        match tokio::time::timeout(READ, self.run(&mut client, read, is_known)).await {
            Ok(found) => found,
            Err(_) => {
                // What it still has under way is nobody's any more.
                drop(Object::take(client));
                Err(ReadError::Unavailable("the database did not answer in time: try again".to_owned()))
            }
        }
    }

    async fn run(
        &self,
        client: &mut Object,
        read: &Read<'_>,
        is_known: impl Fn(&str) -> bool,
    ) -> Result<Found, ReadError> {
        // To plan them takes longer than to carry them out; each connection does it once.
        let begins = client.prepare_cached(include_str!("../../../sql/queries/begin_read.sql")).await?;
        let describes = client.prepare_cached(DESCRIBES).await?;
        // One snapshot for the mark and the rows.
        let transaction =
            client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true).start().await?;
        // Both go out together, and are carried out in this order.
        let (snapshot, table) = tokio::try_join!(
            begin(&transaction, &begins, read.claims),
            ReadTable::read(&transaction, &describes, [read.prefix, &self.publication, &self.role])
        )?;
        let table = table.ok_or_else(|| ReadError::not_published(read.prefix))?;
        if table.is_guarded {
            transaction.batch_execute(&act_as(&self.role)).await?;
        }
        let select = Select::new(&table, &read.selection)?;
        let row = transaction.query_typed_one(&select.marks(), &select.parameters()).await?;
        let marks = row.try_get::<_, Option<&str>>(0)?;
        if marks.is_none() && matches!(read.selection, Selection::Row { .. }) {
            return Err(ReadError::no_row());
        }
        let mark = table.mark(marks.unwrap_or_default());
        let page = match is_known(&mark) {
            true => None,
            false => Some(select.page(&transaction, PAGE_BYTES).await?),
        };
        // It has read only: that it ends by a ROLLBACK, which nobody waits for, is all the same.
        Ok(Found { mark, snapshot, page })
    }
}

async fn begin(transaction: &Transaction<'_>, begins: &Statement, claims: &str) -> Result<Snapshot, ReadError> {
    let timeout = STATEMENT.as_millis().to_string();
    let row = transaction.query_one(begins, &[&claims, &timeout]).await?;
    let snapshot = row.try_get::<_, &str>("snapshot")?;
    Snapshot::parse(snapshot).ok_or_else(|| ReadError::Internal(format!("`{snapshot}` is no snapshot")))
}
