//! The settings: every one is a flag and an environment variable, checked before anything starts.

mod admission;
mod limits;
mod values;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{ArgAction, Args, ValueEnum, builder::BoolishValueParser};

pub use admission::AdmissionArgs;
pub use limits::LimitArgs;
pub use values::{Collector, parse_bytes, parse_duration, parse_port};
use values::{file, named, parse_address, parse_collector, parse_count, parse_leeway, parse_timeout};

use crate::{
    admission::Origins,
    auth::{ClaimNames, Expected, KeyError, KeySource, Verifier},
    doctor, gateway, http, hub,
    postgres::{Dsn, DsnError},
    replication::{self, Plugin},
    store::WriteSettings,
};

/// A setting that cannot be used: names the setting and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error(
        "DATABASE_URL is not set: give the database to read from, as in postgres://walcast:secret@localhost:5432/app"
    )]
    NoDatabase,
    #[error(transparent)]
    Database(#[from] DsnError),
    #[error(
        "no key to check tokens with: set JWT_SECRET (HS256/384/512), JWT_PUBLIC_KEY or JWT_JWKS_FILE (RS, PS, ES, EdDSA)"
    )]
    NoKey,
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(
        "FRONTEND_URL holds `{0}`, which is no origin: give scheme, host and port only, as in https://app.example.com, or \
         * alone for any"
    )]
    Origin(String),
    #[error(transparent)]
    Tls(#[from] http::TlsError),
}

/// Which database, and how to read its log.
#[derive(Args, Clone)]
pub struct DatabaseArgs {
    /// The database: a URL or key=value DSN, TCP or unix socket; sslmode is obeyed
    #[arg(long, env = "DATABASE_URL", value_name = "DSN", hide_env_values = true)]
    pub database_url: Option<String>,
}

impl DatabaseArgs {
    pub fn dsn(&self) -> Result<Dsn, ConfigError> {
        let text =
            self.database_url.as_deref().filter(|text| !text.trim().is_empty()).ok_or(ConfigError::NoDatabase)?;
        Ok(Dsn::parse(text)?)
    }
}

#[derive(Args, Clone)]
pub struct StreamArgs {
    /// The logical decoding output plugin
    #[arg(long, env = "WALCAST_PLUGIN", default_value = "pgoutput", value_name = "pgoutput|wal2json")]
    pub plugin: Plugin,
    /// The publication that says what is broadcast
    #[arg(long, env = "WALCAST_PUBLICATION", default_value = "walcast", value_name = "NAME")]
    pub publication: String,
    /// The role as which sockets read and write guarded tables, and for which policies are asked
    #[arg(long, env = "WALCAST_CLIENT_ROLE", default_value = "walcast_client", value_name = "ROLE")]
    pub client_role: String,
}

#[derive(Args, Clone, Default)]
pub struct KeyArgs {
    /// The secret that tokens are signed with, at least 32 bytes: HS256, HS384, HS512
    #[arg(long, env = "JWT_SECRET", value_name = "SECRET", hide_env_values = true)]
    pub jwt_secret: Option<String>,
    /// A PEM file with the public key that tokens are checked with: RS, PS, ES, EdDSA
    #[arg(long, env = "JWT_PUBLIC_KEY", value_parser = file(), value_name = "FILE")]
    pub jwt_public_key: Option<PathBuf>,
    /// A file with a JSON Web Key Set that tokens are checked with
    #[arg(long, env = "JWT_JWKS_FILE", value_parser = file(), value_name = "FILE")]
    pub jwt_jwks_file: Option<PathBuf>,
    /// The audiences of which a token must name one (aud), separated by commas [default: any, or none]
    #[arg(long, env = "JWT_AUDIENCE", default_value = "", hide_default_value = true, value_name = "NAMES")]
    pub jwt_audience: String,
    /// Who may issue tokens (iss), separated by commas [default: whoever has a key]
    #[arg(long, env = "JWT_ISSUER", default_value = "", hide_default_value = true, value_name = "NAMES")]
    pub jwt_issuer: String,
    /// By how much the clocks of who signs tokens and of this server may differ, at most 10m (ms, s, m, h, d)
    #[arg(long, env = "JWT_LEEWAY", default_value = "5s", value_parser = parse_leeway, value_name = "TIME")]
    pub jwt_leeway: Duration,
    /// The claim with the user's id, or a path to it such as app_metadata.id [default: userId, else sub]
    #[arg(long, env = "JWT_USER_CLAIM", value_name = "CLAIM")]
    pub jwt_user_claim: Option<String>,
    /// The claim with the user's address [default: email]
    #[arg(long, env = "JWT_EMAIL_CLAIM", value_name = "CLAIM")]
    pub jwt_email_claim: Option<String>,
    /// The claim with the user's role [default: role]
    #[arg(long, env = "JWT_ROLE_CLAIM", value_name = "CLAIM")]
    pub jwt_role_claim: Option<String>,
    /// The claim that must be true in a token for the dashboard [default: admin]
    #[arg(long, env = "JWT_ADMIN_CLAIM", value_name = "CLAIM")]
    pub jwt_admin_claim: Option<String>,
}

impl KeyArgs {
    pub fn verifier(&self) -> Result<Verifier, ConfigError> {
        let sources: Vec<KeySource> = [
            self.jwt_secret.clone().filter(|secret| !secret.is_empty()).map(KeySource::Secret),
            named(&self.jwt_public_key).map(|path| KeySource::PublicKey(path.to_owned())),
            named(&self.jwt_jwks_file).map(|path| KeySource::JwksFile(path.to_owned())),
        ]
        .into_iter()
        .flatten()
        .collect();
        if sources.is_empty() {
            return Err(ConfigError::NoKey);
        }
        Ok(Verifier::new(sources, self.expected())?)
    }

    fn expected(&self) -> Expected {
        // A list of nothing but commas is a mistake, and lets nobody in.
        let list = |text: &str| match text.trim() {
            "" => Vec::new(),
            names => names.split(',').map(|name| name.trim().to_owned()).collect(),
        };
        let name = |claim: &Option<String>| claim.clone().filter(|name| !name.is_empty());
        Expected {
            audience: list(&self.jwt_audience),
            issuer: list(&self.jwt_issuer),
            leeway: self.jwt_leeway,
            names: ClaimNames {
                user: name(&self.jwt_user_claim),
                email: name(&self.jwt_email_claim),
                role: name(&self.jwt_role_claim),
                admin: name(&self.jwt_admin_claim),
            },
        }
    }
}

/// Where and how sockets are served.
#[derive(Args, Clone)]
pub struct GatewayArgs {
    /// IP address and port to listen on; port 0 takes a free one
    #[arg(long, env = "WALCAST_LISTEN", default_value = "127.0.0.1:4000", value_parser = parse_address,
          value_name = "ADDRESS:PORT")]
    pub listen: SocketAddr,
    /// A PEM file with the certificate to serve TLS with, and those that sign it; read anew on SIGHUP
    #[arg(long, env = "WALCAST_TLS_CERT", value_parser = file(), value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,
    /// A PEM file with the certificate's private key
    #[arg(long, env = "WALCAST_TLS_KEY", value_parser = file(), value_name = "FILE")]
    pub tls_key: Option<PathBuf>,
    /// The origins that browsers may come from, such as https://app.example.com, separated by commas; *: any
    #[arg(long, env = "FRONTEND_URL", default_value = "http://localhost:5173", value_name = "ORIGINS")]
    pub frontend_url: String,
    /// The largest payload that a socket may send (kB, KiB, MB, MiB, GB, GiB)
    #[arg(long, env = "WALCAST_MAX_PAYLOAD", default_value = "1MiB", value_parser = parse_bytes, value_name = "BYTES")]
    pub max_payload: usize,
    /// How much may wait for one socket before it is disconnected as too slow (kB, KiB, MB, MiB, GB, GiB)
    #[arg(long, env = "WALCAST_OUTBOX_BYTES", default_value = "1MiB", value_parser = parse_bytes, value_name = "BYTES")]
    pub outbox_bytes: usize,
    /// How long a socket may take nothing before it is disconnected as too slow (ms, s, m, h, d)
    #[arg(long, env = "WALCAST_STALL_TIMEOUT", default_value = "10s", value_parser = parse_duration, value_name = "TIME")]
    pub stall_timeout: Duration,
    /// How often a client is asked whether it is still there (ms, s, m, h, d)
    #[arg(long, env = "WALCAST_PING_INTERVAL", default_value = "25s", value_parser = parse_timeout, value_name = "TIME")]
    pub ping_interval: Duration,
    /// How long a client has to say that it is (ms, s, m, h, d)
    #[arg(long, env = "WALCAST_PING_TIMEOUT", default_value = "20s", value_parser = parse_timeout, value_name = "TIME")]
    pub ping_timeout: Duration,
    /// Messages of this size and more are compressed for clients that can read that (kB, KiB, MB, MiB, GB, GiB)
    #[arg(long, env = "WALCAST_COMPRESS_ABOVE", default_value = "1kB", value_parser = parse_bytes, value_name = "BYTES")]
    pub compress_above: usize,
    /// How long a socket whose token has expired may stay without showing another (ms, s, m, h, d)
    #[arg(long, env = "WALCAST_TOKEN_GRACE", default_value = "30s", value_parser = parse_duration, value_name = "TIME")]
    pub token_grace: Duration,
    /// Whether stock clients that lost their connection resume by themselves
    #[arg(long, env = "WALCAST_RECOVERY", default_value = "on", value_parser = BoolishValueParser::new(),
          action = ArgAction::Set, value_name = "on|off")]
    pub recovery: bool,
}

impl GatewayArgs {
    /// `None`: TLS is not asked for.
    pub fn tls(&self) -> Result<Option<http::Tls>, ConfigError> {
        Ok(http::Tls::from_files(named(&self.tls_cert), named(&self.tls_key))?)
    }

    /// The allowed origins.
    pub fn origins(&self) -> Result<Origins, ConfigError> {
        if self.frontend_url.trim() == "*" {
            return Ok(Origins::Any);
        }
        let origins: Result<_, _> = self
            .frontend_url
            .split(',')
            .map(|origin| origin.trim().trim_end_matches('/'))
            .filter(|origin| !origin.is_empty())
            .map(|origin| {
                let bad = || ConfigError::Origin(origin.to_owned());
                let uri: axum::http::Uri = origin.parse().map_err(|_| bad())?;
                let is_origin =
                    uri.scheme().is_some() && uri.host().is_some() && uri.path() == "/" && uri.query().is_none();
                if is_origin { origin.to_ascii_lowercase().parse().map_err(|_| bad()) } else { Err(bad()) }
            })
            .collect();
        origins.map(Origins::Listed)
    }
}

/// How much of the past is kept for those who come back.
#[derive(Args, Clone)]
pub struct ReplayArgs {
    /// How long events are kept for clients that come back, also over a restart (ms, s, m, h, d)
    #[arg(long, env = "WALCAST_REPLAY_WINDOW", default_value = "2m", value_parser = parse_duration, value_name = "TIME")]
    pub replay_window: Duration,
    /// The most memory that kept events take, and the most log that Postgres holds for them (kB, KiB, MB, MiB, GB, GiB)
    #[arg(long, env = "WALCAST_REPLAY_BYTES", default_value = "64MiB", value_parser = parse_bytes, value_name = "BYTES")]
    pub replay_bytes: usize,
    /// How many events of one transaction a room is sent; the rest becomes one resync
    #[arg(long, env = "WALCAST_ROOM_CAP", default_value = "1000", value_parser = parse_count, value_name = "EVENTS")]
    pub room_cap: u32,
}

/// What sockets write.
#[derive(Args, Clone)]
pub struct WriteArgs {
    /// How many connections to the database writes of sockets share
    #[arg(long, env = "WALCAST_WRITE_CONNECTIONS", default_value = "8", value_parser = parse_count, value_name = "COUNT")]
    pub write_connections: u32,
    /// How long a statement of a write may take, or a write wait for a connection (ms, s, m, h, d)
    #[arg(long, env = "WALCAST_WRITE_TIMEOUT", default_value = "5s", value_parser = parse_timeout, value_name = "TIME")]
    pub write_timeout: Duration,
    /// How many writes of one socket may wait
    #[arg(long, env = "WALCAST_WRITE_QUEUE", default_value = "256", value_parser = parse_count, value_name = "COUNT")]
    pub write_queue: u32,
    /// How long a write with a mutationId can be repeated (ms, s, m, h, d)
    #[arg(long, env = "WALCAST_KEEP_MUTATIONS", default_value = "1d", value_parser = parse_duration, value_name = "TIME")]
    pub keep_mutations: Duration,
}

impl WriteArgs {
    pub fn settings(&self) -> WriteSettings {
        WriteSettings {
            connections: self.write_connections as usize,
            timeout: self.write_timeout,
            keep_mutations: self.keep_mutations,
        }
    }
}

/// The settings of `walcast serve`.
#[derive(Args, Clone)]
pub struct ServeArgs {
    #[command(flatten)]
    pub database: DatabaseArgs,
    #[command(flatten)]
    pub stream: StreamArgs,
    /// The replication slot; one server streams from it, others wait to take over. Each database of a cluster needs its own
    #[arg(long, env = "WALCAST_SLOT", default_value = "walcast", value_name = "NAME")]
    pub slot: String,
    #[command(flatten)]
    pub keys: KeyArgs,
    #[command(flatten)]
    pub gateway: GatewayArgs,
    #[command(flatten)]
    pub admission: AdmissionArgs,
    #[command(flatten)]
    pub writes: WriteArgs,
    #[command(flatten)]
    pub replay: ReplayArgs,
    #[command(flatten)]
    pub limits: LimitArgs,
    #[command(flatten)]
    pub traces: TraceArgs,
    /// Apply the migrations before serving; in the environment true, yes, on, 1 or false, no, off, 0
    #[arg(long, env = "WALCAST_MIGRATE", value_parser = BoolishValueParser::new())]
    pub migrate: bool,
    /// Whether there is a demo, and the dashboard asks for no token, where only this machine can ask for them: no setting,
    /// `walcast dev` alone does so.
    #[arg(skip)]
    pub development: bool,
}

impl ServeArgs {
    pub fn hub(&self) -> hub::Settings {
        hub::Settings {
            retention: hub::Retention { window: self.replay.replay_window, bytes: self.replay.replay_bytes },
            room_cap: self.replay.room_cap,
            // Beyond half of all that is kept, fetching again is cheaper for everyone.
            replay_bytes: self.replay.replay_bytes / 2,
            recovery: self.gateway.recovery,
            tick: self.limits.tick,
            roster: self.limits.roster as usize,
            limits: self.limits.hub(),
            encode: gateway::encode(self.gateway.recovery),
        }
    }

    /// What the doctor judges the database by.
    pub fn doctor(&self) -> doctor::Settings {
        doctor::Settings {
            publication: self.stream.publication.clone(),
            slot: self.slot.clone(),
            plugin: self.stream.plugin,
            client_role: self.stream.client_role.clone(),
            replay_bytes: self.replay.replay_bytes as u64,
        }
    }

    pub fn replication(&self, dsn: &Dsn) -> replication::Settings {
        replication::Settings {
            dsn: dsn.clone(),
            slot: self.slot.clone(),
            publication: self.stream.publication.clone(),
            plugin: self.stream.plugin,
            temporary: false,
            replay_bytes: self.replay.replay_bytes as u64,
        }
    }
}

/// Where traces go.
#[derive(Args, Clone, Default)]
pub struct TraceArgs {
    /// The collector that traces are exported to, by OTLP over HTTP, as in http://localhost:4318 [default: none]
    #[arg(long, env = "WALCAST_OTLP_ENDPOINT", default_value = "", hide_default_value = true, value_parser = parse_collector,
          value_name = "URL")]
    pub otlp_endpoint: Collector,
}

/// How much is logged, and in which form.
#[derive(Args, Clone)]
pub struct LogArgs {
    /// What is logged: error, warn, info, debug or trace, or tracing directives such as `info,walcast::replication=debug`
    /// [default: info; of tail and doctor: warn]
    #[arg(long = "log", env = "WALCAST_LOG", global = true, value_name = "LEVEL")]
    pub filter: Option<String>,
    /// How it is logged, on standard error
    #[arg(long, env = "WALCAST_LOG_FORMAT", default_value = "pretty", global = true, value_name = "FORMAT")]
    pub log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    Pretty,
    Json,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins(list: &str) -> Result<Origins, ConfigError> {
        let args = GatewayArgs {
            listen: ([127, 0, 0, 1], 0).into(),
            tls_cert: None,
            tls_key: None,
            frontend_url: list.into(),
            max_payload: 1,
            outbox_bytes: 1,
            stall_timeout: Duration::from_secs(1),
            ping_interval: Duration::from_secs(1),
            ping_timeout: Duration::from_secs(1),
            compress_above: 1,
            token_grace: Duration::from_secs(1),
            recovery: true,
        };
        args.origins()
    }

    #[test]
    fn a_write_has_some_time() {
        let parse = |time| {
            let command = WriteArgs::augment_args(clap::Command::new("walcast"));
            command.try_get_matches_from(["walcast", "--write-timeout", time])
        };
        assert!(parse("1ms").is_ok() && parse("0s").is_err());
    }

    #[test]
    fn origins_are_a_list_without_paths() {
        let listed = origins("http://a:1, https://B/");
        assert!(matches!(listed, Ok(Origins::Listed(list)) if list == ["http://a:1", "https://b"]));
        assert!(matches!(origins(" * "), Ok(Origins::Any)));
        for list in ["localhost", "*,http://a", "http://a/path", "http://a b"] {
            assert!(origins(list).is_err(), "{list:?} was taken");
        }
    }
}
