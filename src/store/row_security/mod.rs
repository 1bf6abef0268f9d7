//! Row-level security: what the catalog says of who may see which rows, and questions to Postgres where that is not enough.
//!
//! Sockets act as one role, the client role, with the claims of their tokens in `request.jwt.claims`. A question about a
//! version of a row that the log has told is answered by the table's own policies, evaluated on that version; one about a
//! key by a SELECT, to which Postgres applies them itself.

mod ask;
mod describe;
mod link;
mod policy;

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
    time::{Duration, Instant},
};

use deadpool_postgres::Pool;

use super::{StoreError, pool};
use crate::{change::TableName, postgres::Dsn};

use policy::Policy;

/// Connections for questions.
const CONNECTIONS: usize = 2;
/// How long a connection may take to come about, and a question may wait for one.
const WAIT: Duration = Duration::from_secs(1);

/// The way to ask who may see what. Cheap to clone.
#[derive(Clone)]
pub struct RowSecurity(Arc<Inner>);

struct Inner {
    pool: Pool,
    publication: String,
    /// What sockets act as.
    role: String,
    policies: RwLock<HashMap<u32, Arc<Policy>>>,
    /// Tables that the stream brought, published now or not.
    brought: RwLock<Vec<TableName>>,
    /// Since when nothing was answered.
    silent: RwLock<Option<Instant>>,
    /// Since when questions about a table were not.
    slow: RwLock<HashMap<u32, Instant>>,
}

impl RowSecurity {
    /// Connects when it is first asked.
    pub fn new(dsn: &Dsn, publication: &str, role: &str) -> Result<Self, StoreError> {
        Ok(RowSecurity(Arc::new(Inner {
            pool: pool::build(dsn, CONNECTIONS, WAIT, WAIT)?,
            publication: publication.to_owned(),
            role: role.to_owned(),
            policies: RwLock::default(),
            brought: RwLock::default(),
            silent: RwLock::default(),
            slow: RwLock::default(),
        })))
    }
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}
