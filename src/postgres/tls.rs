use std::{io, path::PathBuf, sync::Arc};

use rustls::{
    ClientConfig,
    crypto::aws_lc_rs,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{Error as PemError, PemObject},
    },
};
use tokio_postgres::config::SslNegotiation;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{
    Dsn, RootCertificates, SslMode,
    verifier::{Trust, Verifier},
};

/// A certificate or key that a [`Dsn`] names and that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{what} {path} cannot be read: {source}", path = path.display())]
    File { what: &'static str, path: PathBuf, source: PemError },
    #[error("{what} {path} holds no certificate in PEM form", path = path.display())]
    Empty { what: &'static str, path: PathBuf },
    #[error("the system has no root certificates ({0}): install ca-certificates, or name a file with sslrootcert")]
    NoSystemRoots(String),
    #[error("TLS cannot be set up: {0}")]
    Rustls(#[from] rustls::Error),
}

/// TLS for the SQL pool, as libpq means the [`Dsn`]'s `sslmode`. Reads the files that the DSN names.
pub fn tls(dsn: &Dsn) -> Result<MakeRustlsConnect, TlsError> {
    Ok(MakeRustlsConnect::new(Arc::unwrap_or_clone(client_config(dsn)?)))
}

/// The same for a connection that does its own handshake.
pub fn client_config(dsn: &Dsn) -> Result<Arc<ClientConfig>, TlsError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let algorithms = provider.signature_verification_algorithms;
    let trust = match (dsn.ssl_mode(), dsn.roots()) {
        (SslMode::VerifyFull, _) => Trust::ChainAndName,
        (SslMode::VerifyCa, _) => Trust::Chain,
        (SslMode::Disable, _) | (_, RootCertificates::Unsaid) => Trust::Any,
        (SslMode::Prefer | SslMode::Require, _) => Trust::Chain,
    };
    let roots = match (trust, dsn.roots()) {
        (Trust::Any, _) => Vec::new(),
        (_, RootCertificates::File(path)) => certificates("sslrootcert", path)?,
        (_, RootCertificates::System | RootCertificates::Unsaid) => system_roots()?,
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier::new(trust, roots, algorithms)));
    let mut config = match dsn.identity() {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = certificates("sslcert", certificate)?;
            let key = PrivateKeyDer::from_pem_file(key).map_err(|source| TlsError::File {
                what: "sslkey",
                path: key.clone(),
                source,
            })?;
            builder.with_client_auth_cert(chain, key)?
        }
    };
    if dsn.config().get_ssl_negotiation() == SslNegotiation::Direct {
        // Postgres 17 refuses a direct handshake that does not name its protocol.
        config.alpn_protocols = vec![b"postgresql".to_vec()];
    }
    Ok(Arc::new(config))
}

fn certificates(what: &'static str, path: &PathBuf) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|source| TlsError::File { what, path: path.clone(), source })?;
    if certificates.is_empty() {
        return Err(TlsError::Empty { what, path: path.clone() });
    }
    Ok(certificates)
}

fn system_roots() -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        let reason = found.errors.first().map_or_else(|| "none found".to_owned(), ToString::to_string);
        return Err(TlsError::NoSystemRoots(reason));
    }
    Ok(found.certs)
}

/// Whether a failed handshake means that the other side is not whom the [`Dsn`] trusts, which no retry mends.
pub fn distrusted(error: &io::Error) -> bool {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(tls, Some(rustls::Error::InvalidCertificate(_) | rustls::Error::AlertReceived(_)))
}
