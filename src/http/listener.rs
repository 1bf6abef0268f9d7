use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::tls::{Handshakes, Tls};
use crate::{
    admission::{Seat, Visitors},
    gateway::Connection,
    telemetry,
};

/// Accepts connections whose options suit a server of many small messages, from whoever may have one more.
pub struct Listener {
    sockets: Sockets,
    /// `None`: without TLS.
    handshakes: Option<Handshakes>,
}

struct Sockets {
    inner: TcpListener,
    stall_timeout: Duration,
    visitors: Visitors,
}

/// Who has connected. Cheap to clone.
#[derive(Clone)]
pub struct Peer {
    pub address: IpAddr,
    /// `None`: a trusted proxy, whose clients have seats of their own.
    pub seat: Option<Seat>,
}

/// What connections have to keep to.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// How long a client may take nothing.
    pub stall: Duration,
    /// How long it may take to shake hands: over TLS first, and then until it has sent its first request's headers.
    pub handshake: Duration,
    /// How long a request's body may take to arrive.
    pub body: Duration,
    /// How long a connection may be idle between two requests, the headers of the second included.
    pub idle: Duration,
}

impl Patience {
    /// Longer than proxies keep connections to use again, which is a minute mostly: else they send requests into one that is
    /// just being closed.
    const IDLE: Duration = Duration::from_secs(75);

    pub fn new(stall: Duration, handshake: Duration) -> Self {
        Patience { stall, handshake, body: handshake.saturating_mul(3), idle: Self::IDLE }
    }
}

/// What the kernel may hold for one client, in bytes; Linux takes it twice.
const SEND_BUFFER: usize = 128 << 10;

/// How many connections the kernel may keep until they are accepted; it takes no more than it is set to (`somaxconn`). Whoever does not fit tries
/// again only after a second, and is told at times that it is connected while it is not.
const BACKLOG: u32 = 1 << 16;

/// Listens on an address, over TLS where that is given; port 0 takes any free one.
pub async fn bind(
    address: SocketAddr,
    patience: Patience,
    tls: Option<Tls>,
    visitors: Visitors,
) -> io::Result<Listener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // As the standard library does where it binds: a server that is started anew gets its port.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    let sockets = Sockets { inner: socket.listen(BACKLOG)?, stall_timeout: patience.stall, visitors };
    Ok(Listener { sockets, handshakes: tls.map(|tls| Handshakes::new(tls, patience.handshake)) })
}

impl Listener {
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.sockets.inner.local_addr()
    }

    /// The next connection. Nothing is lost where this is dropped.
    pub async fn accept(&mut self) -> (Connection, Peer) {
        let Listener { sockets, handshakes } = self;
        let Some(handshakes) = handshakes else {
            let (tcp, peer) = sockets.accept().await;
            return (Connection::Tcp(tcp), peer);
        };
        loop {
            tokio::select! {
                (tcp, peer) = sockets.accept(), if handshakes.has_room() => handshakes.begin(tcp, peer),
                ended = handshakes.next() => if let Some((tls, peer)) = ended {
                    return (Connection::Tls(tls), peer);
                },
            }
        }
    }
}

impl Sockets {
    /// The next connection as the kernel has it.
    async fn accept(&self) -> (TcpStream, Peer) {
        loop {
            match self.inner.accept().await {
                Ok((stream, address)) => match self.prepare(&stream).map(|()| self.seat(address.ip())) {
                    Ok(Some(peer)) => return (stream, peer),
                    Ok(None) => {
                        telemetry::http_refused("connections");
                        tracing::debug!(peer = %address, "a connection more than its address may have was closed");
                    }
                    Err(error) => {
                        tracing::debug!(peer = %address, %error, "a connection was gone before it was set up")
                    }
                },
                // The peer was gone before it was accepted.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    // Mostly "too many open files": accepting again at once would spin until some are closed.
                    tracing::error!(%error, "cannot accept connections; trying again in a second");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }

    /// Before any of its bytes is read: that costs nothing. `None`: its address has all the connections that it may have.
    fn seat(&self, address: IpAddr) -> Option<Peer> {
        let seat = match self.visitors.connected(address) {
            Some(visitor) => Some(visitor.take_seat()?),
            None => None,
        };
        Some(Peer { address, seat })
    }

    fn prepare(&self, stream: &TcpStream) -> io::Result<()> {
        // A peer that takes nothing is given up by the kernel, where it can; elsewhere by the outbox alone.
        #[cfg(any(target_os = "linux", target_os = "android"))]
        socket2::SockRef::from(stream).set_tcp_user_timeout(Some(self.stall_timeout))?;
        // Else the kernel takes megabytes for a client that reads nothing.
        socket2::SockRef::from(stream).set_send_buffer_size(SEND_BUFFER)?;
        stream.set_nodelay(true)
    }
}
