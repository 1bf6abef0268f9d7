use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use rustls::{
    InconsistentKeys, ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{Error as PemError, PemObject},
    },
};
use tokio::{net::TcpStream, task::JoinSet};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::listener::Peer;
use crate::telemetry;

/// A certificate or its key that cannot be used: names the setting and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{setting} is set and {other} is not: TLS needs a certificate and its key, so set both or neither")]
    Alone { setting: &'static str, other: &'static str },
    #[error("{setting} names {path}, which cannot be read: {source}", path = path.display())]
    File { setting: &'static str, path: PathBuf, source: PemError },
    #[error("WALCAST_TLS_CERT names {path}, which holds no certificate in PEM form", path = .0.display())]
    NoCertificate(PathBuf),
    #[error(
        "WALCAST_TLS_KEY names {path}, which holds no private key in PEM form that is not encrypted", path = .0.display()
    )]
    NoKey(PathBuf),
    #[error(
        "the key in {key} (WALCAST_TLS_KEY) is not that of the first certificate in {certificate} (WALCAST_TLS_CERT): \
         name the two that were made together, the server's own certificate before those that sign it",
        key = key.display(), certificate = certificate.display()
    )]
    Mismatch { certificate: PathBuf, key: PathBuf },
    #[error(
        "TLS cannot be served with {certificate} (WALCAST_TLS_CERT) and {key} (WALCAST_TLS_KEY): {source}",
        key = key.display(), certificate = certificate.display()
    )]
    Unusable { certificate: PathBuf, key: PathBuf, source: rustls::Error },
}

const CERTIFICATE: &str = "WALCAST_TLS_CERT";
const KEY: &str = "WALCAST_TLS_KEY";

/// The certificate that connections are served with, and where it comes from. Cheap to clone; all clones change together.
#[derive(Clone)]
pub struct Tls {
    certificate: Arc<Path>,
    key: Arc<Path>,
    acceptor: Arc<RwLock<TlsAcceptor>>,
}

impl Tls {
    /// Reads PEM files: the certificate with those that sign it, and its key. `None`: neither is named.
    pub fn from_files(certificate: Option<&Path>, key: Option<&Path>) -> Result<Option<Self>, TlsError> {
        let (certificate, key) = match (certificate, key) {
            (None, None) => return Ok(None),
            (Some(_), None) => return Err(TlsError::Alone { setting: CERTIFICATE, other: KEY }),
            (None, Some(_)) => return Err(TlsError::Alone { setting: KEY, other: CERTIFICATE }),
            (Some(certificate), Some(key)) => (certificate, key),
        };
        let acceptor = Arc::new(RwLock::new(acceptor(certificate, key)?));
        Ok(Some(Tls { certificate: certificate.into(), key: key.into(), acceptor }))
    }

    /// Reads the files anew, for the connections to come. After an error all is as it was.
    pub fn reload(&self) -> Result<(), TlsError> {
        let new = acceptor(&self.certificate, &self.key)?;
        *self.acceptor.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }

    fn acceptor(&self) -> TlsAcceptor {
        self.acceptor.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn acceptor(certificate: &Path, key: &Path) -> Result<TlsAcceptor, TlsError> {
    let unusable = |source| TlsError::Unusable { certificate: certificate.to_owned(), key: key.to_owned(), source };
    let unreadable = |setting, path: &Path, source| TlsError::File { setting, path: path.to_owned(), source };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|source| unreadable(CERTIFICATE, certificate, source))?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate(certificate.to_owned()));
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(|source| match source {
        PemError::NoItemsFound => TlsError::NoKey(key.to_owned()),
        source => unreadable(KEY, key, source),
    })?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|source| match source {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                TlsError::Mismatch { certificate: certificate.to_owned(), key: key.to_owned() }
            }
            source => unusable(source),
        })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// How many clients may be at it. More wait in the kernel until one is through, or out of time.
const HANDSHAKES: usize = 1_024;

/// The connections whose clients are still shaking hands. None holds up another.
pub struct Handshakes {
    tls: Tls,
    /// How long each client has.
    patience: Duration,
    running: JoinSet<Option<Accepted>>,
}

type Accepted = (Box<TlsStream<TcpStream>>, Peer);

impl Handshakes {
    pub fn new(tls: Tls, patience: Duration) -> Self {
        Handshakes { tls, patience, running: JoinSet::new() }
    }

    pub fn has_room(&self) -> bool {
        self.running.len() < HANDSHAKES
    }

    pub fn begin(&mut self, tcp: TcpStream, peer: Peer) {
        let handshake = tokio::time::timeout(self.patience, self.tls.acceptor().accept(tcp));
        self.running.spawn(async move {
            let outcome = handshake.await.inspect_err(|_| telemetry::http_refused("slow_handshake"));
            match outcome.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
                Ok(tls) => Some((Box::new(tls), peer)),
                Err(error) => {
                    tracing::debug!(peer = %peer.address, %error, "a TLS handshake failed");
                    None
                }
            }
        });
    }

    /// Waits for the next to end, for ever where there is none; what came of it. Nothing is lost where this is dropped.
    pub async fn next(&mut self) -> Option<Accepted> {
        match self.running.join_next().await {
            Some(Ok(accepted)) => accepted,
            Some(Err(error)) => {
                tracing::error!(%error, "a TLS handshake ended unasked; report it with the log");
                None
            }
            None => std::future::pending().await,
        }
    }
}
