use std::{net::SocketAddr, sync::Arc, time::Duration};

use postgres_protocol::message::frontend;
use rand::seq::SliceRandom as _;
use rustls::{ClientConfig, pki_types::ServerName};
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UnixStream, lookup_host},
    time::timeout,
};
use tokio_postgres::config::{Host, LoadBalanceHosts, SslNegotiation, TargetSessionAttrs};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{Wire, binding, login};
use crate::{
    postgres::{Dsn, SslMode, client_config},
    replication::ReplicationError,
};

/// For one address, until logged in, unless the DSN says otherwise.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A dead network is noticed after this long, unless the DSN says otherwise: our status updates must be acknowledged
/// by the other kernel. The kernel's own patience is a quarter of an hour.
const NETWORK_TIMEOUT: Duration = Duration::from_secs(30);

/// Connects and logs in to the first of the DSN's servers that takes us, or returns the last one's refusal.
pub(in crate::replication) async fn connect(dsn: &Dsn) -> Result<Wire, ReplicationError> {
    let tls = if dsn.ssl_mode() == SslMode::Disable { None } else { Some(client_config(dsn)?) };
    let limit = dsn.config().get_connect_timeout().copied().unwrap_or(CONNECT_TIMEOUT);
    let mut refusal = ReplicationError::Closed;
    for server in servers(dsn) {
        let at = server.to_string();
        let late = || ReplicationError::Timeout { at: at.clone(), after: limit };
        let addresses = match timeout(limit, server.addresses()).await.unwrap_or_else(|_| Err(late())) {
            Ok(addresses) => addresses,
            Err(error) => {
                refusal = error;
                continue;
            }
        };
        for address in addresses {
            let attempt = open(dsn, tls.as_ref(), &server, address);
            match timeout(limit, attempt).await.unwrap_or_else(|_| Err(late())) {
                Ok(wire) => return Ok(wire),
                Err(error) => refusal = error,
            }
        }
    }
    Err(refusal)
}

/// One server of a DSN: a name (for TLS and for messages), and where to dial.
struct Server {
    name: String,
    dial: Host,
    port: u16,
}

enum Address {
    Tcp(SocketAddr),
    Unix(std::path::PathBuf),
}

fn servers(dsn: &Dsn) -> Vec<Server> {
    let config = dsn.config();
    let (hosts, addresses, ports) = (config.get_hosts(), config.get_hostaddrs(), config.get_ports());
    let mut servers: Vec<Server> = (0..hosts.len().max(addresses.len()))
        .filter_map(|at| {
            let host = hosts.get(at);
            let dial = match addresses.get(at) {
                Some(address) => Host::Tcp(address.to_string()),
                None => host?.clone(),
            };
            let name = match host.unwrap_or(&dial) {
                Host::Tcp(name) => name.clone(),
                Host::Unix(path) => path.display().to_string(),
            };
            let port = ports.get(at).or(ports.first()).copied().unwrap_or(5432);
            Some(Server { name, dial, port })
        })
        .collect();
    if config.get_load_balance_hosts() == LoadBalanceHosts::Random {
        servers.shuffle(&mut rand::rng());
    }
    servers
}

impl std::fmt::Display for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.name, self.port)
    }
}

impl Server {
    async fn addresses(&self) -> Result<Vec<Address>, ReplicationError> {
        match &self.dial {
            Host::Unix(directory) => Ok(vec![Address::Unix(directory.join(format!(".s.PGSQL.{}", self.port)))]),
            Host::Tcp(name) => match lookup_host((name.as_str(), self.port)).await {
                Ok(addresses) => Ok(addresses.map(Address::Tcp).collect()),
                Err(source) => Err(ReplicationError::Unreachable { at: self.to_string(), source }),
            },
        }
    }
}

async fn open(
    dsn: &Dsn,
    tls: Option<&Arc<ClientConfig>>,
    server: &Server,
    address: Address,
) -> Result<Wire, ReplicationError> {
    let unreachable = |source| ReplicationError::Unreachable { at: server.to_string(), source };
    let mut end_point = None;
    let mut wire = match address {
        Address::Unix(path) => Wire::new(Box::new(UnixStream::connect(path).await.map_err(unreachable)?)),
        Address::Tcp(address) => {
            let socket = TcpStream::connect(address).await.map_err(unreachable)?;
            tune(&socket, dsn).map_err(unreachable)?;
            match secure(socket, dsn, tls, server).await? {
                Secured::No(socket) => Wire::new(Box::new(socket)),
                Secured::Yes(socket) => {
                    let certificates = socket.get_ref().1.peer_certificates();
                    end_point = certificates.and_then(<[_]>::first).and_then(|der| binding::server_end_point(der));
                    Wire::new(Box::new(socket))
                }
            }
        }
    };
    login::login(&mut wire, dsn, end_point).await?;
    check_attributes(&mut wire, dsn, server).await?;
    Ok(wire)
}

/// Small messages at once, and a peer that is gone noticed.
fn tune(socket: &TcpStream, dsn: &Dsn) -> std::io::Result<()> {
    socket.set_nodelay(true)?;
    let socket = SockRef::from(socket);
    if dsn.config().get_keepalives() {
        let mut keepalive = TcpKeepalive::new().with_time(dsn.config().get_keepalives_idle().min(NETWORK_TIMEOUT));
        keepalive = keepalive.with_interval(dsn.config().get_keepalives_interval().unwrap_or(NETWORK_TIMEOUT / 3));
        if let Some(retries) = dsn.config().get_keepalives_retries() {
            keepalive = keepalive.with_retries(retries);
        }
        socket.set_tcp_keepalive(&keepalive)?;
    }
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(dsn.config().get_tcp_user_timeout().copied().unwrap_or(NETWORK_TIMEOUT)))?;
    Ok(())
}

enum Secured {
    No(TcpStream),
    Yes(Box<TlsStream<TcpStream>>),
}

async fn secure(
    mut socket: TcpStream,
    dsn: &Dsn,
    tls: Option<&Arc<ClientConfig>>,
    server: &Server,
) -> Result<Secured, ReplicationError> {
    let Some(tls) = tls else { return Ok(Secured::No(socket)) };
    if dsn.config().get_ssl_negotiation() == SslNegotiation::Postgres {
        let mut request = bytes::BytesMut::new();
        frontend::ssl_request(&mut request);
        socket.write_all(&request).await.map_err(ReplicationError::Broken)?;
        // Exactly one byte: whatever somebody slipped in behind it must meet TLS, not us.
        match socket.read_u8().await.map_err(ReplicationError::Broken)? {
            b'S' => {}
            b'N' if dsn.ssl_mode() == SslMode::Prefer => return Ok(Secured::No(socket)),
            b'N' => return Err(ReplicationError::NoTls { at: server.to_string(), mode: dsn.ssl_mode() }),
            other => {
                let reason = format!("the TLS request was answered with {:?}", char::from(other));
                return Err(ReplicationError::Broken(std::io::Error::other(reason)));
            }
        }
    }
    let handshake = |source| ReplicationError::Handshake { at: server.to_string(), source };
    let name = ServerName::try_from(server.name.clone()).map_err(|error| handshake(std::io::Error::other(error)))?;
    let stream = TlsConnector::from(Arc::clone(tls)).connect(name, socket).await.map_err(handshake)?;
    Ok(Secured::Yes(Box::new(stream)))
}

async fn check_attributes(wire: &mut Wire, dsn: &Dsn, server: &Server) -> Result<(), ReplicationError> {
    let (wanted, answer) = match dsn.config().get_target_session_attrs() {
        TargetSessionAttrs::ReadWrite => ("read-write", "off"),
        TargetSessionAttrs::ReadOnly => ("read-only", "on"),
        _ => return Ok(()),
    };
    if wire.query_one("SHOW transaction_read_only").await?.get(0) == Some(answer) {
        return Ok(());
    }
    Err(ReplicationError::SessionAttributes { at: server.to_string(), wanted })
}
