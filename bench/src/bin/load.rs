//! `load SPEC`: many clients in one thread, as the JSON of a `walcast_bench::load::Spec` says.
//!
//! Says `ready` when all are in their rooms. Then takes lines: `until N` is answered when so many deliveries came, `report` with
//! what all were sent, `delays` with those of each, `fresh` forgets them. A connection that breaks ends it.

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
    client::{Client, Stage},
    load::{Report, Spec, Tally, parts},
    process::on_processor,
};

/// How many come from one source address: a server may have a limit. Each process has addresses of its own, since the ports
/// of one that ended are not free at once.
const OF_ONE_ADDRESS: usize = 5_000;
const COMMANDS: Token = Token(usize::MAX);

fn main() -> Result<(), Failure> {
    let spec: Spec = serde_json::from_str(&std::env::args().nth(1).ok_or("load SPEC")?)?;
    let mut load = Load {
        address: spec.address.parse()?,
        poll: Poll::new()?,
        clients: Vec::new(),
        coming: 0,
        listening: 0,
        tally: Tally::default(),
        awaited: None,
        spec,
    };
    load.run()
}

struct Load {
    spec: Spec,
    address: SocketAddr,
    poll: Poll,
    clients: Vec<Client>,
    coming: usize,
    listening: u64,
    tally: Tally,
    /// How many deliveries are waited for.
    awaited: Option<u64>,
}

impl Load {
    fn run(&mut self) -> Result<(), Failure> {
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
                self.serve(event, &mut scratch)?;
            }
            for line in told {
                self.obey(&line)?;
            }
            if let Some(awaited) = self.awaited.take_if(|awaited| self.tally.got + self.tally.lost >= *awaited) {
                println!("at {awaited}");
            }
        }
    }

    /// Opens connections, a few at a time.
    fn let_in(&mut self) -> Result<(), Failure> {
        while self.coming < self.spec.at_once && self.clients.len() < self.spec.sockets as usize {
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
            self.clients.push(Client::new(tcp, number as u64, &self.spec));
            self.coming += 1;
        }
        Ok(())
    }

    fn serve(&mut self, event: &mio::event::Event, scratch: &mut [u8]) -> Result<(), Failure> {
        let token = event.token();
        let Some(client) = self.clients.get_mut(token.0) else { return Ok(()) };
        let before = client.stage;
        let outcome = if before == Stage::Connecting {
            let outcome = client.connected(&self.spec);
            self.poll.registry().reregister(client.tcp(), token, Interest::READABLE)?;
            outcome
        } else {
            client.read(scratch, &self.spec, &mut self.tally)
        };
        outcome.map_err(|error| format!("client {}, {:?}: {error}", token.0, client.stage))?;
        if before != Stage::Listening && client.stage == Stage::Listening {
            self.coming -= 1;
            self.listening += 1;
            if self.listening == self.spec.sockets {
                println!("ready");
            }
        }
        Ok(())
    }

    fn obey(&mut self, line: &str) -> Result<(), Failure> {
        match line.split_once(' ') {
            Some(("until", number)) => self.awaited = Some(number.parse()?),
            None if line == "fresh" => self.tally.delays.clear(),
            None if line == "delays" => println!("{}", serde_json::to_string(&self.tally.delays)?),
            None if line == "report" => println!("{}", serde_json::to_string(&self.report()?)?),
            _ => return Err(format!("no command: {line}").into()),
        }
        Ok(())
    }

    fn report(&mut self) -> Result<Report, Failure> {
        let Tally { got, lost, repeated, bytes, pings, resumed, ref offset, ref delays } = self.tally;
        let [p50, p99, longest] = parts(delays.iter().map(|(_, delay)| *delay));
        let (offset, cpu) = (offset.clone(), on_processor(std::process::id())?);
        Ok(Report { got, lost, repeated, bytes, pings, resumed, offset, p50, p99, longest, cpu })
    }
}
