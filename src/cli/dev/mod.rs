//! `walcast dev`: everything on defaults, with a private Postgres in one folder.

mod binaries;
mod cluster;

use std::{
    fs, io,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

use self::cluster::Cluster;
use super::{
    Failure,
    token::{Bearer, token},
};
use crate::{
    app::{self, ServeError},
    auth::LEEWAY,
    config::{
        AdmissionArgs, DatabaseArgs, GatewayArgs, KeyArgs, LimitArgs, ReplayArgs, ServeArgs, StreamArgs, TraceArgs,
        WriteArgs, parse_port,
    },
    postgres::Dsn,
    replication::Plugin,
    store::{self, Store},
};

#[derive(Args)]
pub struct DevArgs {
    /// The folder that holds the private Postgres and its secrets
    #[arg(long, env = "WALCAST_DEV_DIR", default_value = ".walcast", value_name = "FOLDER")]
    dir: PathBuf,
    /// The port that the private Postgres prefers; another one is taken where it is in use
    #[arg(long, env = "WALCAST_DEV_POSTGRES_PORT", default_value = "54320", value_parser = parse_port,
          value_name = "PORT")]
    postgres_port: u16,
    #[command(flatten)]
    stream: StreamArgs,
    #[command(flatten)]
    gateway: GatewayArgs,
    #[command(flatten)]
    admission: AdmissionArgs,
    #[command(flatten)]
    replay: ReplayArgs,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    writes: WriteArgs,
    #[command(flatten)]
    pub(super) traces: TraceArgs,
}

const TOKEN_TTL: Duration = Duration::from_secs(30 * 24 * 3600);

pub async fn run(args: DevArgs) -> Result<(), Failure> {
    let stop = CancellationToken::new();
    tokio::spawn(app::stop_on_signal(stop.clone()));
    // Before a Postgres is started for nothing.
    let address = free_address(args.gateway.listen)?;
    let cluster = Cluster::start(&args.dir, args.postgres_port)?;
    let outcome = serve(&args, address, &cluster, stop).await;
    // The data stays for the next start; the server does not.
    let stopped = cluster.stop();
    match (outcome, stopped) {
        (Ok(()), stopped) => Ok(stopped?),
        (Err(error), Ok(())) => Err(error),
        // Why serving failed is what has to be mended first.
        (Err(error), Err(also)) => Err(format!("{error}; besides, {also}").into()),
    }
}

async fn serve(args: &DevArgs, address: SocketAddr, cluster: &Cluster, stop: CancellationToken) -> Result<(), Failure> {
    let secret = secret_in(&args.dir.join("jwt_secret"))?;
    let dsn = Dsn::parse(&cluster.url)?;
    store::migrate(&dsn).await?;
    let store = Store::connect(&dsn).await?;
    let component = store.seed_components().await?;
    // The slot of the plugin that an earlier start used would hold the log back for nobody.
    for plugin in [Plugin::PgOutput, Plugin::Wal2Json].into_iter().filter(|plugin| *plugin != args.stream.plugin) {
        store.drop_idle_slot(&slot(plugin)).await?;
    }

    let mut gateway = args.gateway.clone();
    gateway.listen = address;
    let serving = app::serve(
        ServeArgs {
            database: DatabaseArgs { database_url: Some(cluster.url.clone()) },
            stream: args.stream.clone(),
            slot: slot(args.stream.plugin),
            keys: KeyArgs { jwt_secret: Some(secret.clone()), jwt_leeway: LEEWAY, ..KeyArgs::default() },
            gateway,
            admission: args.admission.clone(),
            writes: args.writes.clone(),
            replay: args.replay.clone(),
            limits: args.limits.clone(),
            traces: args.traces.clone(),
            migrate: false,
            development: true,
        },
        stop,
    );
    tokio::pin!(serving);
    tokio::select! {
        outcome = &mut serving => return Ok(outcome?),
        () = answered(address) => {}
    }
    let scheme = if args.gateway.tls()?.is_some() { "https" } else { "http" };
    welcome(&format!("{scheme}://{address}"), address.ip().is_loopback(), cluster, &component, &secret)?;
    Ok(serving.await?)
}

fn slot(plugin: Plugin) -> String {
    format!("walcast_dev_{plugin}")
}

/// The address, with a free port in place of port 0; an error where somebody listens there.
fn free_address(wanted: SocketAddr) -> Result<SocketAddr, ServeError> {
    TcpListener::bind(wanted)
        .and_then(|listener| listener.local_addr())
        .map_err(|source| ServeError::Listen { address: wanted, source })
}

/// Waits until the server answers, be it that it speaks TLS: its port takes connections before there is anybody to serve them.
async fn answered(address: SocketAddr) {
    let ask = async || {
        let mut stream = tokio::net::TcpStream::connect(address).await?;
        stream.write_all(b"GET /healthz HTTP/1.0\r\n\r\n").await?;
        stream.read_u8().await
    };
    while ask().await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What there is now, and what to try.
fn welcome(url: &str, is_here: bool, cluster: &Cluster, component: &str, secret: &str) -> Result<(), Failure> {
    println!("walcast dev\n");
    println!("  server     {url}");
    println!("  database   {}", cluster.url);
    let email = Some("dev@example.com".to_owned());
    let bearer = Bearer { user: "dev".to_owned(), email, role: None, admin: true, ttl: TOKEN_TTL };
    if is_here {
        println!("  demo       {url}/");
    }
    println!("  dashboard  {url}/dashboard");
    println!("  token      {}", token(&bearer, secret)?);
    println!("  component  {component}  (of entity page 1)");
    println!("\nSubscribe to the component, then change it in a second terminal:\n");
    println!(
        "  {} \"{}\" -c \"UPDATE components SET name = 'Hello from SQL' WHERE id = '{component}'\"\n",
        cluster.psql().display(),
        cluster.url
    );
    Ok(())
}

/// The random text in a file that only its owner reads; made at the first call.
fn secret_in(path: &Path) -> io::Result<String> {
    use std::{io::Write, os::unix::fs::OpenOptionsExt};
    if let Ok(text) = fs::read_to_string(path)
        && !text.is_empty()
    {
        return Ok(text);
    }
    let text = uuid::Uuid::new_v4().simple().to_string();
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    Ok(text)
}
