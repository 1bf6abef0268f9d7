use std::{io, net::SocketAddr, time::Duration};

use tokio::net::{TcpListener, TcpStream};

/// Accepts connections whose options suit a server of many small messages.
pub struct Listener {
    inner: TcpListener,
    stall_timeout: Duration,
}

/// Listens on an address; port 0 takes any free one.
pub async fn bind(address: SocketAddr, stall_timeout: Duration) -> io::Result<Listener> {
    Ok(Listener { inner: TcpListener::bind(address).await?, stall_timeout })
}

impl Listener {
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    fn prepare(&self, stream: &TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        // The library cannot end a connection whose peer takes nothing; the kernel can.
        socket2::SockRef::from(stream).set_tcp_user_timeout(Some(self.stall_timeout))
    }
}

impl axum::serve::Listener for Listener {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            match self.inner.accept().await {
                Ok((stream, peer)) => match self.prepare(&stream) {
                    Ok(()) => return (stream, peer),
                    Err(error) => tracing::debug!(%peer, %error, "a connection was gone before it was set up"),
                },
                Err(error) => {
                    // Mostly "too many open files": accepting again at once would spin until some are closed.
                    tracing::error!(%error, "cannot accept connections; trying again in a second");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.address()
    }
}
