use std::{io, net::SocketAddr, time::Duration};

use tokio::net::{TcpListener, TcpStream};

use super::tls::{Handshakes, Tls};
use crate::gateway::Connection;

/// Accepts connections whose options suit a server of many small messages.
pub struct Listener {
    sockets: Sockets,
    /// `None`: without TLS.
    handshakes: Option<Handshakes>,
}

struct Sockets {
    inner: TcpListener,
    stall_timeout: Duration,
}

/// What the kernel may hold for one client, in bytes; Linux takes it twice.
const SEND_BUFFER: usize = 128 << 10;

/// Listens on an address, over TLS where that is given; port 0 takes any free one.
pub async fn bind(address: SocketAddr, stall_timeout: Duration, tls: Option<Tls>) -> io::Result<Listener> {
    let sockets = Sockets { inner: TcpListener::bind(address).await?, stall_timeout };
    Ok(Listener { sockets, handshakes: tls.map(Handshakes::new) })
}

impl Listener {
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.sockets.inner.local_addr()
    }
}

impl Sockets {
    /// The next connection as the kernel has it.
    async fn accept(&self) -> (TcpStream, SocketAddr) {
        loop {
            match self.inner.accept().await {
                Ok((stream, peer)) => match self.prepare(&stream) {
                    Ok(()) => return (stream, peer),
                    Err(error) => tracing::debug!(%peer, %error, "a connection was gone before it was set up"),
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

    fn prepare(&self, stream: &TcpStream) -> io::Result<()> {
        // A peer that takes nothing is given up by the kernel, where it can; elsewhere by the outbox alone.
        #[cfg(any(target_os = "linux", target_os = "android"))]
        socket2::SockRef::from(stream).set_tcp_user_timeout(Some(self.stall_timeout))?;
        // Else the kernel takes megabytes for a client that reads nothing.
        socket2::SockRef::from(stream).set_send_buffer_size(SEND_BUFFER)?;
        stream.set_nodelay(true)
    }
}

impl axum::serve::Listener for Listener {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
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

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.address()
    }
}
