use std::{sync::Arc, time::Duration};

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime, TimeoutType};

use super::StoreError;
use crate::postgres::{ConnectError, Dsn, tls};

/// Connections kept for SQL; replication has its own.
const POOL_SIZE: usize = 8;
/// How long a connection may take to come about.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The database, for SQL. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    pool: Pool,
    dsn: Arc<Dsn>,
}

impl Store {
    /// Makes the pool and one connection, so that a wrong address or password is told here.
    pub async fn connect(dsn: &Dsn) -> Result<Self, StoreError> {
        let pool = build(dsn, POOL_SIZE, CONNECT_TIMEOUT, CONNECT_TIMEOUT)?;
        let store = Store { pool, dsn: Arc::new(dsn.clone()) };
        drop(store.client().await?);
        Ok(store)
    }

    pub(super) async fn client(&self) -> Result<Object, StoreError> {
        self.pool.get().await.map_err(|error| match error {
            PoolError::Backend(source) => StoreError::connecting(source, &self.dsn, CONNECT_TIMEOUT),
            PoolError::Timeout(TimeoutType::Wait) => StoreError::Pool(format!(
                "all {POOL_SIZE} were busy for {} s; look for what blocks them in pg_stat_activity",
                CONNECT_TIMEOUT.as_secs()
            )),
            PoolError::Timeout(_) => ConnectError::Timeout { at: self.dsn.address(), after: CONNECT_TIMEOUT }.into(),
            other => StoreError::Pool(other.to_string()),
        })
    }
}

/// Whether it was the connection that failed, and no statement.
pub(super) fn is_lost(error: &tokio_postgres::Error) -> bool {
    error.is_closed() || std::error::Error::source(error).is_some_and(|source| source.is::<std::io::Error>())
}

/// A pool that connects when it is asked to: how long that may take, and how long to wait where all are busy.
pub(super) fn build(dsn: &Dsn, size: usize, connect: Duration, wait: Duration) -> Result<Pool, StoreError> {
    let mut config = dsn.config().clone();
    config.application_name("walcast");
    config.connect_timeout(connect);
    let manager = Manager::from_config(config, tls(dsn)?, ManagerConfig { recycling_method: RecyclingMethod::Fast });
    Pool::builder(manager)
        .max_size(size)
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(wait))
        .create_timeout(Some(connect))
        .build()
        .map_err(|error| StoreError::Pool(error.to_string()))
}
