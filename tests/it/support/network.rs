//! A network under the test's control.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, tcp},
    sync::watch,
};

/// Passes TCP connections on to a target, and is cut, stalled and slowed at will.
pub struct Network {
    pub address: SocketAddr,
    state: watch::Sender<State>,
}

#[derive(Clone, Copy)]
struct State {
    /// `None`: connections are closed as soon as they are made.
    target: Option<SocketAddr>,
    /// Connections of an earlier generation are cut.
    generation: u64,
    flow: Flow,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    Open,
    /// About 64 KiB a second, each way.
    Slow,
    /// Nothing passes; nobody is told.
    Stalled,
}

impl Network {
    pub async fn start(target: Option<SocketAddr>) -> Network {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (state, states) = watch::channel(State { target, generation: 0, flow: Flow::Open });
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, states.clone()));
            }
        });
        Network { address, state }
    }

    /// New connections go there; those that are, stay where they are.
    pub fn aim(&self, target: Option<SocketAddr>) {
        self.state.send_modify(|state| state.target = target);
    }

    /// Ends all connections at once.
    pub fn cut(&self) {
        self.state.send_modify(|state| state.generation += 1);
    }

    pub fn flow(&self, flow: Flow) {
        self.state.send_modify(|state| state.flow = flow);
    }
}

async fn pass(client: TcpStream, mut states: watch::Receiver<State>) {
    let State { target, generation, .. } = *states.borrow_and_update();
    let Some(target) = target else { return };
    let Ok(server) = TcpStream::connect(target).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let cut = {
        let mut states = states.clone();
        async move { states.wait_for(|state| state.generation != generation).await.map(drop) }
    };
    tokio::select! {
        _ = cut => {}
        _ = copy(&mut from_client, &mut to_server, states.clone()) => {}
        _ = copy(&mut from_server, &mut to_client, states) => {}
    }
}

async fn copy(
    from: &mut tcp::OwnedReadHalf,
    to: &mut tcp::OwnedWriteHalf,
    mut states: watch::Receiver<State>,
) -> io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let flow = states.wait_for(|state| state.flow != Flow::Stalled).await.map_err(io::Error::other)?.flow;
        let room = if flow == Flow::Slow { 1 << 10 } else { buffer.len() };
        let length = from.read(&mut buffer[..room]).await?;
        if length == 0 {
            return Ok(());
        }
        // It may have been stalled while this waited to read.
        states.wait_for(|state| state.flow != Flow::Stalled).await.map_err(io::Error::other)?;
        to.write_all(&buffer[..length]).await?;
        if flow == Flow::Slow {
            tokio::time::sleep(Duration::from_millis(16)).await;
        }
    }
}
