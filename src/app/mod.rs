//! The composition root: builds the stages, spawns them, and drains them with a deadline.

mod mapping;
mod pipeline;
mod signal;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use socketioxide::SocketIo;
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_util::sync::CancellationToken;

pub use mapping::{Mapping, MappingError};
use pipeline::{BEGUN, Pipeline};
pub use signal::stop_on_signal;

use crate::{
    config::{ConfigError, ServeArgs},
    gateway,
    http::{self, Health, State},
    hub::Dispatcher,
    replication::{self, Progress, ReplicationError},
    store::{self, Store, StoreError},
};

/// Why the server could not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{}{}", .0, remedy(.0))]
    Replication(#[from] ReplicationError),
    #[error(transparent)]
    Mapping(#[from] MappingError),
    #[error("cannot listen on {address} (WALCAST_LISTEN): {source}; stop what uses the port, or choose another")]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error("the HTTP server failed: {0}")]
    Http(std::io::Error),
    #[error("a part of the server panicked: {0}")]
    Panic(#[from] tokio::task::JoinError),
}

/// A sentence on what mends it, where one is known.
fn remedy(error: &ReplicationError) -> String {
    error.remedy().map_or_else(String::new, |remedy| format!(". {remedy}"))
}

/// How long everything may take to end once it is asked to.
const DRAIN: Duration = Duration::from_secs(8);
/// How long sockets are given to close; one that takes nothing never does.
const CLOSE_SOCKETS: Duration = Duration::from_secs(2);
/// Batches from the stream that may wait to be mapped.
const FEED: usize = 4;

/// Serves until cancelled. What is wrong with the settings or the database is told before anything is served.
pub async fn serve(args: ServeArgs, stop: CancellationToken) -> Result<(), ServeError> {
    let dsn = args.database.dsn()?;
    let verifier = Arc::new(args.keys.verifier()?);
    let origins = args.gateway.origins()?;
    let settings = args.replication(&dsn);

    if args.migrate {
        let migrated = store::migrate(&dsn).await?;
        tracing::info!(migrations = ?migrated.migrations, sql = ?migrated.repeatable, "migrated");
    }
    let store = Store::connect(&dsn).await?;
    store.require_migrated().await?;
    if store.ensure_publication(&settings.publication).await? {
        tracing::info!(publication = settings.publication, "publication created");
    }
    let prepared = replication::prepare(&settings).await?;
    if prepared.fresh.is_some() {
        store.new_epoch(&settings.slot, &prepared.system_identifier).await?;
    }
    let address = args.gateway.listen;
    let listener = http::bind(address, args.gateway.stall_timeout)
        .await
        .map_err(|source| ServeError::Listen { address, source })?;
    let address = listener.address().unwrap_or(address);

    let progress = Arc::new(Progress::default());
    let (hub, dispatcher) = Dispatcher::new({
        let progress = progress.clone();
        move |end| if end == BEGUN { progress.begin() } else { progress.handed_on(end) }
    });
    let health = Health::default();
    let (sockets, io) = gateway::build(gateway::Settings {
        hub: hub.clone(),
        verifier,
        max_payload: args.gateway.max_payload,
        outbox_bytes: args.gateway.outbox_bytes,
        stall_timeout: args.gateway.stall_timeout,
    });
    let router = http::router(health.clone(), sockets, origins);

    let dispatching = CancellationToken::new();
    let dispatcher = tokio::spawn(dispatcher.run(dispatching.clone()));
    let (feed, batches) = mpsc::channel(FEED);
    let pipeline = Pipeline::new(store, hub, health.clone(), settings.slot.clone(), stop.clone());
    let mut pipeline = tokio::spawn(pipeline.run(batches));
    let mut streaming = tokio::spawn(replication::run(settings, progress, feed, stop.child_token()));
    let closing = CancellationToken::new();
    let mut serving = tokio::spawn(serve_http(listener, router, closing.clone()));
    tracing::info!(%address, "listening");

    let outcome = tokio::select! {
        () = stop.cancelled() => Ok(()),
        ended = &mut streaming => ended?.map_err(ServeError::from),
        ended = &mut pipeline => ended?.map_err(ServeError::from),
        ended = &mut serving => ended?.map_err(ServeError::Http),
    };

    tracing::info!("stopping");
    health.set(State::Stopping);
    stop.cancel();
    let drain = async {
        // The stream first: the slot is free for the next server while this one still says goodbye.
        finish(streaming).await;
        finish(pipeline).await;
        close_sockets(io).await;
        dispatching.cancel();
        finish(dispatcher).await;
        closing.cancel();
        finish(serving).await;
    };
    if tokio::time::timeout(DRAIN, drain).await.is_err() {
        tracing::warn!(seconds = DRAIN.as_secs(), "not everything ended in time");
    }
    tracing::info!("stopped");
    outcome
}

async fn serve_http(listener: http::Listener, router: http::Router, closing: CancellationToken) -> std::io::Result<()> {
    axum::serve(listener, router).with_graceful_shutdown(closing.cancelled_owned()).await
}

async fn close_sockets(io: SocketIo) {
    if tokio::time::timeout(CLOSE_SOCKETS, io.close()).await.is_err() {
        tracing::warn!("some sockets took no goodbye");
    }
}

/// Waits for a task that may have ended already; its outcome was told, or no longer matters.
async fn finish<T>(task: JoinHandle<T>) {
    if !task.is_finished() {
        let _ = task.await;
    }
}
