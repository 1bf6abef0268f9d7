//! The composition root: builds the stages, spawns them, and drains them with a deadline.

mod authority;
mod dashboard;
mod lag;
mod mapping;
mod pipeline;
mod road;
mod sessions;
mod signal;
mod watch;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    sync::{Mutex, mpsc},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use dashboard::Operations;
use lag::Newest;
pub use mapping::{Mapping, MappingError};
use pipeline::Pipeline;
use road::Road;
pub use road::give_way;
pub use signal::stop_on_signal;
use watch::Watch;

use crate::{
    admission::Admission,
    config::{ConfigError, ServeArgs},
    gateway,
    http::{self, Health},
    hub::{self, Dispatcher},
    postgres::{Dsn, advised},
    replication::{self, Progress, ReplicationError},
    store::{self, Broadcasts, Reads, RowSecurity, Store, StoreError, Writes},
    telemetry,
};

/// Why the server could not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{}", advised(&.0.to_string(), .0.remedy().as_deref()))]
    Replication(#[from] ReplicationError),
    #[error(transparent)]
    Mapping(#[from] MappingError),
    #[error("cannot listen on {address} (WALCAST_LISTEN): {source}; stop what uses the port, or choose another")]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error("cannot start a thread: {0}; allow the process more threads or descriptors")]
    Thread(#[source] std::io::Error),
    #[error("metrics cannot be counted: {0}; report it")]
    Metrics(#[from] telemetry::InstallError),
    #[error("a part of the server ended unasked; report it with the log")]
    Ended,
    #[error("a part of the server panicked: {0}")]
    Panic(#[from] tokio::task::JoinError),
}

/// How long everything may take to end once it is asked to.
const DRAIN: Duration = Duration::from_secs(8);
/// How long the last position has to reach the sockets.
const LAST_WORDS: Duration = Duration::from_millis(200);
/// How long sockets are given to close; one that takes nothing never does.
const CLOSE_SOCKETS: Duration = Duration::from_secs(2);
/// Batches from the stream that may wait to be mapped.
const FEED: usize = 2;

/// Serves until cancelled. What is wrong with the settings or the database is told before anything is served.
pub async fn serve(args: ServeArgs, stop: CancellationToken) -> Result<(), ServeError> {
    // First of all: what is counted earlier is lost.
    let exposition = telemetry::install()?;
    let dsn = args.database.dsn()?;
    let verifier = Arc::new(args.keys.verifier()?);
    let admission = Admission { origins: args.gateway.origins()?, visitors: args.admission.visitors() };
    let tls = args.gateway.tls()?;
    let settings = args.replication(&dsn);
    // Before anything is created in the database: a port that is taken must leave no slot behind.
    let address = args.gateway.listen;
    let patience = http::Patience::new(args.gateway.stall_timeout, args.admission.handshake_timeout);
    let listener = http::bind(address, patience, tls.clone(), admission.visitors.clone())
        .await
        .map_err(|source| ServeError::Listen { address, source })?;
    let address = listener.address().unwrap_or(address);
    // Of the stream, its pipeline and what stands beside them; they end a moment after `stop`, since what they hold is
    // handed over first.
    let ending = CancellationToken::new();
    signal::reload_on_hangup(tls, verifier.clone(), ending.clone());
    signal::follow_keys(verifier.clone(), ending.clone());
    // Migrating may wait for another server, so it must not keep us from stopping.
    let store = tokio::select! {
        () = stop.cancelled() => return Ok(()),
        store = prepare(&args, &dsn, &settings) => store?,
    };

    let progress = Arc::new(Progress::default());
    let (feed, mut batches) = mpsc::channel(FEED);
    let road = Road::open().map_err(ServeError::Thread)?;
    let mut streaming = road.spawn(replication::run(settings.clone(), progress.clone(), feed, ending.clone()));
    let first = tokio::select! {
        () = stop.cancelled() => {
            ending.cancel();
            None
        }
        first = batches.recv() => first,
    };
    // Nothing came: it cannot stream, or is to stop.
    let Some(first) = first else { return Ok(streaming.await??) };

    let security = RowSecurity::new(&dsn, &settings.publication, &args.stream.client_role)?;
    let (hub, dispatcher) = Dispatcher::new(args.hub(), reports(&progress), Arc::new(security.clone()));
    let health = Health::default();
    let writes = Writes::new(&dsn, &settings.publication, &args.stream.client_role, args.writes.settings())?;
    let reads = Reads::new(&dsn, &settings.publication, &args.stream.client_role)?;
    tokio::spawn(writes.clone().prune(ending.clone()));
    let operations = Operations {
        store: store.clone(),
        hub: hub.clone(),
        health: health.clone(),
        progress: progress.clone(),
        exposition: exposition.clone(),
        doctor: args.doctor(),
        outbox_bytes: args.gateway.outbox_bytes,
        replay_bytes: args.replay.replay_bytes,
        surveyed: Mutex::default(),
    };
    let is_here = args.development && address.ip().is_loopback();
    let (routes, sockets) = gateway::build(gateway::Settings {
        hub: hub.clone(),
        verifier: verifier.clone(),
        writes,
        reads: reads.clone(),
        write_queue: args.writes.write_queue as usize,
        max_payload: args.gateway.max_payload,
        max_depth: args.limits.max_depth as usize,
        line: args.admission.line(),
        rate: args.limits.rate(),
        heartbeat: gateway::Beat { every: args.gateway.ping_interval, patience: args.gateway.ping_timeout },
        outbox_bytes: args.gateway.outbox_bytes,
        stall_timeout: args.gateway.stall_timeout,
        compress: args.gateway.compress_above,
        token_grace: args.gateway.token_grace,
        handshake: patience.handshake,
        body: patience.body,
        dashboard: gateway::dashboard::Settings { monitor: Arc::new(operations), is_open: is_here },
    });
    let broadcasts = Broadcasts::new(&dsn)?;
    let api = http::Api { reads, broadcasts, hub: hub.clone(), verifier, health: health.clone(), body: patience.body };
    let secret = args.keys.jwt_secret.clone().filter(|_| is_here);
    let demo = secret.map(|secret| http::Demo { secret, store: store.clone() });
    let router = http::router(health.clone(), exposition.clone(), routes, api, admission, demo);
    let dispatching = CancellationToken::new();
    let mut dispatcher = road.spawn(dispatcher.run(dispatching.clone()));
    let newest = Newest::default();
    let watch = Watch {
        store: store.clone(),
        slot: settings.slot.clone(),
        progress: progress.clone(),
        newest: newest.clone(),
        health: health.clone(),
        exposition,
    };
    tokio::spawn(watch.run(ending.clone()));
    let pipeline = Pipeline::new(
        store.clone(),
        security,
        hub.clone(),
        health.clone(),
        newest,
        settings.slot.clone(),
        ending.clone(),
    );
    let mut pipeline = road.spawn(pipeline.run(first, batches));
    let closing = CancellationToken::new();
    let mut serving = tokio::spawn(http::serve(listener, router, patience, closing.clone()));
    tracing::info!(%address, "listening");

    // The first part that ends, unless it was asked to, says why; the others end with it.
    let outcome = tokio::select! {
        () = stop.cancelled() => Ok(()),
        ended = &mut streaming => ended.map_err(ServeError::from).and_then(|ended| Ok(ended?)),
        // It ends well where the stream has ended, which then says why.
        ended = &mut pipeline => match ended {
            Ok(Ok(())) => (&mut streaming).await.map_err(ServeError::from).and_then(|ended| Ok(ended?)),
            other => other.map_err(ServeError::from).and_then(|ended| Ok(ended?)),
        },
        ended = &mut dispatcher => ended.map_err(ServeError::from),
        ended = &mut serving => ended.map_err(ServeError::from),
    };
    let outcome = if stop.is_cancelled() { outcome } else { outcome.and(Err(ServeError::Ended)) };

    tracing::info!(tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks(), "stopping");
    let led = health.serves_sockets();
    health.stopping();
    let drain = async {
        // Before the slot is free: the next server looks for them when it gets it.
        if led && args.gateway.recovery {
            sessions::hand_over(&hub, &store, &settings.slot).await;
        }
        ending.cancel();
        // The stream first: the slot is free for the next server while this one still says goodbye.
        finish(streaming).await;
        finish(pipeline).await;
        dispatching.cancel();
        finish(dispatcher).await;
        close_sockets(sockets).await;
        closing.cancel();
        finish(serving).await;
    };
    if tokio::time::timeout(DRAIN, drain).await.is_err() {
        tracing::warn!(seconds = DRAIN.as_secs(), "not everything ended in time");
        dispatching.cancel();
    }
    tracing::info!("stopped");
    outcome
}

/// Brings the database to where the stream can begin.
async fn prepare(args: &ServeArgs, dsn: &Dsn, settings: &replication::Settings) -> Result<Store, ServeError> {
    if args.migrate {
        let migrated = store::migrate(dsn).await?;
        tracing::info!(migrations = ?migrated.migrations, sql = ?migrated.repeatable, "migrated");
    }
    let store = Store::connect(dsn).await?;
    store.require_migrated().await?;
    if store.ensure_publication(&settings.publication).await? {
        tracing::info!(publication = settings.publication, "publication created");
    }
    store.forget_missing_slot(&settings.slot).await?;
    Ok(store)
}

/// What the dispatcher has handed on, Postgres may forget.
fn reports(progress: &Arc<Progress>) -> hub::Reports {
    let (begun, handed_on, keep_from) = (progress.clone(), progress.clone(), progress.clone());
    hub::Reports {
        begun: Box::new(move || begun.begin()),
        handed_on: Box::new(move |end| handed_on.handed_on(end)),
        keep_from: Box::new(move |start| keep_from.keep_from(Some(start))),
    }
}

async fn close_sockets(sockets: gateway::Sockets) {
    // What the kernel did not take at once is flushed meanwhile, and polls are answered.
    tokio::time::sleep(LAST_WORDS).await;
    if tokio::time::timeout(CLOSE_SOCKETS, sockets.close()).await.is_err() {
        tracing::warn!("some sockets took no goodbye");
    }
}

/// Waits for a task that may have ended already; its outcome was told, or no longer matters.
async fn finish<T>(task: JoinHandle<T>) {
    if !task.is_finished() {
        let _ = task.await;
    }
}
