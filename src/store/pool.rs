use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime};
use std::time::Duration;

use super::StoreError;
use crate::postgres::{Dsn, tls};

/// Connections kept for SQL; replication has its own.
const POOL_SIZE: usize = 8;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The database, for SQL. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    pool: Pool,
}

impl Store {
    /// Makes the pool and one connection, so that a wrong address or password is told here.
    pub async fn connect(dsn: &Dsn) -> Result<Self, StoreError> {
        let mut config = dsn.config().clone();
        config.application_name("walcast");
        config.connect_timeout(CONNECT_TIMEOUT);
        let manager =
            Manager::from_config(config, tls(dsn)?, ManagerConfig { recycling_method: RecyclingMethod::Fast });
        let pool = Pool::builder(manager)
            .max_size(POOL_SIZE)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(CONNECT_TIMEOUT))
            .create_timeout(Some(CONNECT_TIMEOUT))
            .build()
            .map_err(|error| StoreError::Pool(error.to_string()))?;
        let store = Store { pool };
        drop(store.client().await?);
        Ok(store)
    }

    pub(super) async fn client(&self) -> Result<Object, StoreError> {
        use deadpool_postgres::PoolError;
        self.pool.get().await.map_err(|error| match error {
            PoolError::Backend(source) => StoreError::sql("connect to the database")(source),
            PoolError::Timeout(_) => {
                StoreError::Pool(format!("none came free or answered within {} s", CONNECT_TIMEOUT.as_secs()))
            }
            other => StoreError::Pool(other.to_string()),
        })
    }
}
