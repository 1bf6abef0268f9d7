//! `floor SOCKETS`: what no server can be cheaper than. It accepts so many connections and only sends.
//!
//! Says `ready ADDRESS`. Then a line `FIRST COUNT SIZE` sends every connection that many frames of that size at once, numbered
//! from `FIRST`, in one system call.

use std::{
    io::{BufRead as _, Write as _},
    net::{TcpListener, TcpStream},
};

use walcast_bench::{
    Failure, frame,
    mark::{self, Mark},
};

/// As walcast sets it.
const SEND_BUFFER: usize = 128 << 10;

fn main() -> Result<(), Failure> {
    let sockets: usize = std::env::args().nth(1).ok_or("floor SOCKETS")?.parse()?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("ready {}", listener.local_addr()?);
    let mut clients: Vec<TcpStream> = Vec::with_capacity(sockets);
    while clients.len() < sockets {
        let (client, _) = listener.accept()?;
        client.set_nodelay(true)?;
        socket2::SockRef::from(&client).set_send_buffer_size(SEND_BUFFER)?;
        clients.push(client);
    }
    let mut bytes = Vec::new();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let numbers: Vec<u64> = line.split(' ').map(str::parse).collect::<Result<_, _>>()?;
        let [first, count, size] = numbers[..] else { return Err("FIRST COUNT SIZE".into()) };
        bytes.clear();
        let stamp = mark::now();
        for number in first..first + count {
            frame::put_marked(&mut bytes, size as usize, Mark { number, room: 0, stamp });
        }
        for client in &mut clients {
            client.write_all(&bytes)?;
        }
    }
    Ok(())
}
