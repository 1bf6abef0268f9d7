//! `walcast dev`: everything on defaults, with a private Postgres in one folder.

mod binaries;
mod cluster;

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use tokio_util::sync::CancellationToken;

use self::cluster::Cluster;
use super::{Failure, token::token};
use crate::{
    app,
    config::{DatabaseArgs, GatewayArgs, KeyArgs, ReplayArgs, ServeArgs, StreamArgs},
    postgres::Dsn,
    store::{self, Store},
};

#[derive(Args)]
pub struct DevArgs {
    /// The folder that holds the private Postgres and its secrets
    #[arg(long, env = "WALCAST_DEV_DIR", default_value = ".walcast", value_name = "FOLDER")]
    dir: PathBuf,
    /// The port that the private Postgres prefers; a free one is taken where it is in use
    #[arg(long, env = "WALCAST_DEV_POSTGRES_PORT", default_value = "54320", value_name = "PORT")]
    postgres_port: u16,
    #[command(flatten)]
    stream: StreamArgs,
    #[command(flatten)]
    gateway: GatewayArgs,
    #[command(flatten)]
    replay: ReplayArgs,
}

const TOKEN_TTL: Duration = Duration::from_secs(30 * 24 * 3600);

pub async fn run(args: DevArgs) -> Result<(), Failure> {
    let stop = CancellationToken::new();
    tokio::spawn(app::stop_on_signal(stop.clone()));
    let cluster = Cluster::start(&args.dir, args.postgres_port)?;
    let outcome = serve(&args, &cluster, stop).await;
    // The data stays for the next start; the server does not.
    cluster.stop()?;
    outcome
}

async fn serve(args: &DevArgs, cluster: &Cluster, stop: CancellationToken) -> Result<(), Failure> {
    let secret = secret_in(&args.dir.join("jwt_secret"))?;
    let dsn = Dsn::parse(&cluster.url)?;
    store::migrate(&dsn).await?;
    let component = Store::connect(&dsn).await?.seed_components().await?;

    let listen = args.gateway.listen;
    println!("walcast dev\n");
    println!("  server     http://{listen}");
    println!("  database   {}", cluster.url);
    println!("  token      {}", token("dev", Some("dev@example.com"), None, TOKEN_TTL, &secret)?);
    println!("  component  {component}  (of entity page 1)");
    println!("\nSubscribe to the component, then change it in a second terminal:\n");
    println!(
        "  {} \"{}\" -c \"UPDATE components SET name = 'Hello from SQL' WHERE id = '{component}'\"\n",
        cluster.psql().display(),
        cluster.url
    );

    let serve = ServeArgs {
        database: DatabaseArgs { database_url: Some(cluster.url.clone()) },
        stream: args.stream.clone(),
        slot: format!("walcast_dev_{}", args.stream.plugin),
        keys: KeyArgs { jwt_secret: Some(secret), jwt_public_key: None, jwt_jwks_file: None },
        gateway: args.gateway.clone(),
        replay: args.replay.clone(),
        migrate: false,
    };
    Ok(app::serve(serve, stop).await?)
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
