use std::{fmt, path::PathBuf, str::FromStr};

use tokio_postgres::{
    Config,
    config::{Host, SslMode as TokioSslMode, SslNegotiation},
};

use super::conninfo;

/// Where the database is and how to get there: `DATABASE_URL`, for the SQL pool and the replication connection alike.
///
/// Takes libpq's URL and its `key=value` form, TCP (several hosts too) and Unix sockets. `Debug` and `Display` never
/// show the password.
#[derive(Clone)]
pub struct Dsn {
    config: Config,
    ssl_mode: SslMode,
    roots: RootCertificates,
    identity: Option<(PathBuf, PathBuf)>,
}

/// How much TLS protects the connection, as libpq's `sslmode` means it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SslMode {
    Disable,
    /// TLS where the server offers it. libpq's `allow` is taken as this, too.
    Prefer,
    /// Always TLS; the certificate is checked only where root certificates are given, then as [`SslMode::VerifyCa`].
    Require,
    /// The certificate's chain is checked.
    VerifyCa,
    /// The certificate's chain and the host name in it are checked.
    VerifyFull,
}

/// What a server's certificate must lead to (`sslrootcert`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RootCertificates {
    /// Nothing was said: the system's where `sslmode` asks for a check.
    Unsaid,
    /// `sslrootcert=system`.
    System,
    /// A file of PEM certificates.
    File(PathBuf),
}

const FORM: &str = "postgres://user:password@host:5432/database, or host=… port=… user=… password=… dbname=…";

/// A connection string that cannot be used, by the name of its setting. Never quotes it: it holds a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DsnError {
    #[error("DATABASE_URL cannot be read: {0}; write {FORM}")]
    Syntax(&'static str),
    #[error("DATABASE_URL cannot be used: {0}")]
    Parameter(String),
    #[error("DATABASE_URL names no {0}: write {FORM}")]
    Missing(&'static str),
    #[error("sslmode `{0}` in DATABASE_URL is unknown: use disable, allow, prefer, require, verify-ca or verify-full")]
    SslMode(String),
    #[error("sslrootcert=system in DATABASE_URL trusts every public authority, so it needs sslmode=verify-full")]
    WeakSystemRoots,
    #[error("sslnegotiation=direct in DATABASE_URL needs sslmode=require, verify-ca or verify-full")]
    WeakDirect,
    #[error("DATABASE_URL gives {0} without {1}: a client certificate needs both")]
    HalfIdentity(&'static str, &'static str),
    #[error("DATABASE_URL gives {hosts} hosts but {given} {what}: give one for each")]
    Count { hosts: usize, given: usize, what: &'static str },
}

impl Dsn {
    /// Reads a connection string. Files it names are not opened yet ([`tls`](super::tls) does).
    pub fn parse(text: &str) -> Result<Dsn, DsnError> {
        let mut parameters = conninfo::parameters(text.trim()).map_err(DsnError::Syntax)?;
        let mut take = |key: &str| parameters.remove(key).filter(|value| !value.is_empty());

        let roots = match take("sslrootcert") {
            None => RootCertificates::Unsaid,
            Some(system) if system == "system" => RootCertificates::System,
            Some(file) => RootCertificates::File(file.into()),
        };
        let ssl_mode = match (take("sslmode"), take("ssl")) {
            (Some(mode), _) => mode.parse()?,
            // As libpq does for JDBC's spelling.
            (None, Some(ssl)) if ssl == "true" => SslMode::Require,
            (None, _) if roots == RootCertificates::System => SslMode::VerifyFull,
            (None, _) => SslMode::Prefer,
        };
        if roots == RootCertificates::System && ssl_mode < SslMode::VerifyFull {
            return Err(DsnError::WeakSystemRoots);
        }
        let identity = match (take("sslcert"), take("sslkey")) {
            (Some(certificate), Some(key)) => Some((certificate.into(), key.into())),
            (None, None) => None,
            (Some(_), None) => return Err(DsnError::HalfIdentity("sslcert", "sslkey")),
            (None, Some(_)) => return Err(DsnError::HalfIdentity("sslkey", "sslcert")),
        };

        let rest: String = parameters.iter().map(|(key, value)| format!("{key}={} ", quote(value))).collect();
        let mut config: Config = rest.parse().map_err(|error| DsnError::Parameter(causes(&error)))?;
        complete(&mut config)?;
        if config.get_ssl_negotiation() == SslNegotiation::Direct && ssl_mode < SslMode::Require {
            return Err(DsnError::WeakDirect);
        }
        // Postgres has no TLS on Unix sockets; libpq ignores sslmode there and tokio_postgres would fail.
        let only_sockets = config.get_hosts().iter().all(|host| matches!(host, Host::Unix(_)));
        let ssl_mode = if only_sockets && config.get_hostaddrs().is_empty() { SslMode::Disable } else { ssl_mode };
        config.ssl_mode(match ssl_mode {
            SslMode::Disable => TokioSslMode::Disable,
            SslMode::Prefer => TokioSslMode::Prefer,
            SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => TokioSslMode::Require,
        });
        Ok(Dsn { config, ssl_mode, roots, identity })
    }

    /// For `tokio_postgres` and the pool: has a user, a database and at least one host.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The same server and user, another database.
    pub fn with_database(mut self, database: &str) -> Dsn {
        self.config.dbname(database);
        self
    }

    pub fn user(&self) -> &str {
        self.config.get_user().unwrap_or_default()
    }

    pub fn database(&self) -> &str {
        self.config.get_dbname().unwrap_or_default()
    }

    /// `host:port`, several separated by commas: whom to name where nobody answers.
    pub fn address(&self) -> String {
        let (hosts, addresses, ports) = (self.config.get_hosts(), self.config.get_hostaddrs(), self.config.get_ports());
        let places = (0..hosts.len().max(addresses.len())).map(|at| {
            let host = match (hosts.get(at), addresses.get(at)) {
                (Some(Host::Tcp(name)), _) => name.clone(),
                (Some(Host::Unix(path)), _) => path.display().to_string(),
                (None, address) => address.map(ToString::to_string).unwrap_or_default(),
            };
            format!("{host}:{}", ports.get(at).or(ports.first()).unwrap_or(&5432))
        });
        places.collect::<Vec<_>>().join(",")
    }

    pub fn ssl_mode(&self) -> SslMode {
        self.ssl_mode
    }

    pub fn roots(&self) -> &RootCertificates {
        &self.roots
    }

    /// The files of the client's certificate chain and key, both PEM (`sslcert`, `sslkey`).
    pub fn identity(&self) -> Option<(&PathBuf, &PathBuf)> {
        self.identity.as_ref().map(|(certificate, key)| (certificate, key))
    }
}

/// Fills in what libpq would fill in, and checks what `tokio_postgres` checks only when it connects.
fn complete(config: &mut Config) -> Result<(), DsnError> {
    let user = config.get_user().filter(|user| !user.is_empty()).ok_or(DsnError::Missing("user"))?.to_owned();
    if config.get_dbname().is_none_or(str::is_empty) {
        config.dbname(user);
    }
    let (hosts, addresses, ports) = (config.get_hosts().len(), config.get_hostaddrs().len(), config.get_ports().len());
    let total = hosts.max(addresses);
    if total == 0 || config.get_hosts().iter().any(|host| matches!(host, Host::Tcp(name) if name.is_empty())) {
        return Err(DsnError::Missing("host"));
    }
    if hosts > 0 && addresses > 0 && hosts != addresses {
        return Err(DsnError::Count { hosts, given: addresses, what: "hostaddr" });
    }
    if ports > 1 && ports != total {
        return Err(DsnError::Count { hosts: total, given: ports, what: "ports" });
    }
    Ok(())
}

fn quote(value: &str) -> String {
    format!("'{}'", value.replace('\\', r"\\").replace('\'', r"\'"))
}

fn causes(error: &dyn std::error::Error) -> String {
    std::iter::successors(error.source(), |cause| cause.source())
        .last()
        .map_or_else(|| error.to_string(), ToString::to_string)
}

impl FromStr for SslMode {
    type Err = DsnError;

    fn from_str(text: &str) -> Result<Self, DsnError> {
        match text {
            "disable" => Ok(SslMode::Disable),
            "allow" | "prefer" => Ok(SslMode::Prefer),
            "require" => Ok(SslMode::Require),
            "verify-ca" => Ok(SslMode::VerifyCa),
            "verify-full" => Ok(SslMode::VerifyFull),
            other => Err(DsnError::SslMode(other.to_owned())),
        }
    }
}

impl fmt::Display for SslMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SslMode::Disable => "disable",
            SslMode::Prefer => "prefer",
            SslMode::Require => "require",
            SslMode::VerifyCa => "verify-ca",
            SslMode::VerifyFull => "verify-full",
        })
    }
}

/// For logs: `postgres://user@host:5432,other:5433/database?sslmode=require`, without the password.
impl fmt::Display for Dsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "postgres://{}@{}/{}?sslmode={}", self.user(), self.address(), self.database(), self.ssl_mode)
    }
}

impl fmt::Debug for Dsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dsn({self})")
    }
}

#[cfg(test)]
#[path = "dsn_tests.rs"]
mod tests;
