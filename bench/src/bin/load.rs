//! `load ADDRESS SOCKETS [SECRET]`: so many clients, in one room of the server; without a secret, of a server that only sends.
//!
//! Says `ready` when all are subscribed. Then takes lines: `until N` is answered when every client has the event of that
//! number, `report` with what all were sent. A connection that breaks ends it.

use std::{
    collections::VecDeque,
    io::BufRead as _,
    net::{IpAddr, SocketAddr},
    sync::mpsc,
};

use mio::{Events, Interest, Poll, Token, Waker, net::TcpStream};
use socket2::{Domain, Socket, Type};
use walcast_bench::{
    Failure,
    client::{Client, Stage, Tally, Terms},
    process,
};

/// How many clients come in at once.
const AT_ONCE: usize = 64;
/// How many come from one source address; it has more ports than that. Each process has addresses of its own: the ports of
/// one that ended are not free at once.
const OF_ONE_ADDRESS: usize = 20_000;
const COMMANDS: Token = Token(usize::MAX);

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (address, sockets, secret) = match &arguments[..] {
        [address, sockets] => (address, sockets, None),
        [address, sockets, secret] => (address, sockets, Some(secret.clone())),
        _ => return Err("load ADDRESS SOCKETS [SECRET]".into()),
    };
    let terms = Terms { host: address.clone(), secret, room: r#"{"entityType":"page","entityId":"1"}"# };
    let mut load = Load {
        address: address.parse()?,
        wanted: sockets.parse()?,
        poll: Poll::new()?,
        clients: Vec::new(),
        coming: 0,
        listening: 0,
        tally: Tally::default(),
        waits: false,
    };
    load.run(&terms)
}

struct Load {
    address: SocketAddr,
    wanted: usize,
    poll: Poll,
    clients: Vec<Client>,
    coming: usize,
    listening: usize,
    tally: Tally,
    waits: bool,
}

impl Load {
    fn run(&mut self, terms: &Terms) -> Result<(), Failure> {
        let (sender, commands) = mpsc::channel();
        let waker = Waker::new(self.poll.registry(), COMMANDS)?;
        std::thread::spawn(move || {
            for line in std::io::stdin().lock().lines().map_while(Result::ok) {
                if sender.send(line).is_err() || waker.wake().is_err() {
                    return;
                }
            }
            // Whoever started us is gone.
            drop(sender);
            let _ = waker.wake();
        });
        let mut events = Events::with_capacity(1024);
        let mut scratch = vec![0; 64 << 10];
        loop {
            self.let_in()?;
            self.poll.poll(&mut events, None)?;
            let mut told = VecDeque::new();
            for event in &events {
                if event.token() == COMMANDS {
                    loop {
                        match commands.try_recv() {
                            Ok(line) => told.push_back(line),
                            Err(mpsc::TryRecvError::Empty) => break,
                            Err(mpsc::TryRecvError::Disconnected) => return Ok(()),
                        }
                    }
                    continue;
                }
                self.serve(event, &mut scratch, terms)?;
            }
            for line in told {
                self.obey(&line)?;
            }
            if self.waits && self.tally.behind == 0 {
                self.waits = false;
                println!("at {}", self.tally.target);
            }
        }
    }

    /// Opens connections, a few at a time.
    fn let_in(&mut self) -> Result<(), Failure> {
        while self.coming < AT_ONCE && self.clients.len() < self.wanted {
            let number = self.clients.len();
            let socket = Socket::new(Domain::for_address(self.address), Type::STREAM, None)?;
            socket.set_nonblocking(true)?;
            socket.set_tcp_nodelay(true)?;
            if let IpAddr::V4(ip) = self.address.ip()
                && ip.is_loopback()
            {
                let [.., high, low] = std::process::id().to_be_bytes();
                let source = [127, high, low, 1 + (number / OF_ONE_ADDRESS) as u8];
                socket.bind(&SocketAddr::from((source, 0)).into())?;
            }
            match socket.connect(&self.address.into()) {
                Err(error) if error.raw_os_error() != Some(115) => return Err(error.into()),
                _ => {}
            }
            let mut tcp = TcpStream::from_std(socket.into());
            self.poll.registry().register(&mut tcp, Token(number), Interest::WRITABLE)?;
            self.clients.push(Client::new(tcp, number));
            self.coming += 1;
        }
        Ok(())
    }

    fn serve(&mut self, event: &mio::event::Event, scratch: &mut [u8], terms: &Terms) -> Result<(), Failure> {
        let token = event.token();
        let Some(client) = self.clients.get_mut(token.0) else { return Ok(()) };
        let before = client.stage;
        let outcome = if before == Stage::Connecting {
            let outcome = client.connected(terms);
            self.poll.registry().reregister(client.tcp(), token, Interest::READABLE)?;
            outcome
        } else {
            client.read(scratch, terms, &mut self.tally)
        };
        outcome.map_err(|error| format!("client {}, {:?}: {error}", token.0, client.stage))?;
        if before != Stage::Listening && client.stage == Stage::Listening {
            self.coming -= 1;
            self.listening += 1;
            if self.listening == self.wanted {
                println!("ready");
            }
        }
        Ok(())
    }

    fn obey(&mut self, line: &str) -> Result<(), Failure> {
        match line.split_once(' ') {
            Some(("until", number)) => {
                self.tally.target = number.parse()?;
                self.tally.behind = self.clients.iter().filter(|client| client.last < self.tally.target).count();
                self.waits = true;
            }
            None if line == "report" => {
                let Tally { got, lost, repeated, bytes, pings, target, .. } = self.tally;
                let expected = target * self.clients.len() as u64;
                let cpu = process::cpu(std::process::id())?.as_millis();
                println!(
                    "expected {expected} got {got} lost {lost} repeated {repeated} bytes {bytes} pings {pings} cpu_ms {cpu}"
                );
            }
            _ => return Err(format!("no command: {line}").into()),
        }
        Ok(())
    }
}
