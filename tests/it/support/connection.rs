//! One HTTP connection, byte by byte: what a client does that no library would let it do.

use std::{io, net::SocketAddr};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

use super::{token, within};

pub struct Connection {
    pub stream: TcpStream,
    /// What came and is not taken yet.
    pub held: Vec<u8>,
}

pub struct Response {
    pub status: u16,
    /// In small letters.
    pub head: String,
    pub body: Vec<u8>,
}

impl Connection {
    pub async fn open(address: SocketAddr) -> Connection {
        Connection { stream: TcpStream::connect(address).await.expect("connects"), held: Vec::new() }
    }

    /// One that comes from another of this machine's addresses, which all begin with 127.
    pub async fn open_from(from: &str, address: SocketAddr) -> Connection {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(SocketAddr::new(from.parse().expect("an address"), 0)).expect("an address of this machine");
        Connection { stream: socket.connect(address).await.expect("connects"), held: Vec::new() }
    }

    /// One whose kernel takes little more than so many bytes for it.
    pub async fn open_narrow(address: SocketAddr, bytes: u32) -> Connection {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(bytes).expect("a small buffer");
        Connection { stream: socket.connect(address).await.expect("connects"), held: Vec::new() }
    }

    /// Sends a request, and does not wait for its answer.
    pub async fn ask(&mut self, method: &str, target: &str, headers: &[&str], body: &str) {
        let mut request = format!("{method} {target} HTTP/1.1\r\nHost: walcast\r\nContent-Length: {}\r\n", body.len());
        for header in headers {
            request.push_str(&format!("{header}\r\n"));
        }
        request.push_str(&format!("\r\n{body}"));
        self.stream.write_all(request.as_bytes()).await.expect("writes");
    }

    /// The next response. Those of the server all say how long they are, but for what is compressed, which comes in chunks.
    pub async fn answer(&mut self) -> Response {
        let end = loop {
            match self.held.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                Some(at) => break at + 4,
                None => self.read().await.expect("a head"),
            }
        };
        let head = String::from_utf8(self.held.drain(..end).collect()).expect("text").to_lowercase();
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
        let mut body = Vec::new();
        if head.contains("transfer-encoding: chunked") {
            while let chunk @ 1.. = self.chunk_length().await {
                body.extend(self.take(chunk).await);
                self.take(2).await;
            }
            self.take(2).await;
        } else if status != 101 {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
            body = self.take(length.parse().expect("a number")).await;
        }
        Response { status, head, body }
    }

    pub async fn request(&mut self, method: &str, target: &str, headers: &[&str], body: &str) -> Response {
        self.ask(method, target, headers, body).await;
        within("an HTTP response", self.answer()).await
    }

    async fn chunk_length(&mut self) -> usize {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            line.extend(self.take(1).await);
        }
        usize::from_str_radix(String::from_utf8_lossy(&line).trim(), 16).expect("a chunk's length")
    }

    async fn take(&mut self, length: usize) -> Vec<u8> {
        while self.held.len() < length {
            self.read().await.expect("more");
        }
        self.held.drain(..length).collect()
    }

    /// Reads until the end, however it comes.
    pub async fn until_end(&mut self) {
        within("the end of the connection", async { while self.read().await.is_ok() {} }).await;
    }

    /// Reads what comes next; an error at the end.
    pub async fn read(&mut self) -> io::Result<()> {
        match self.stream.read_buf(&mut self.held).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

/// A client that polls, over one connection that is kept.
pub struct Poller {
    pub connection: Connection,
    pub sid: String,
}

impl Poller {
    /// Engine.IO's session and nothing more.
    pub async fn open(address: SocketAddr) -> Poller {
        Self::open_over(Connection::open(address).await).await
    }

    pub async fn open_over(mut connection: Connection) -> Poller {
        let response = connection.request("GET", "/socket.io/?EIO=4&transport=polling", &[], "").await;
        assert_eq!(response.status, 200);
        let open: serde_json::Value = serde_json::from_slice(&response.body[1..]).expect("the open packet");
        Poller { connection, sid: open["sid"].as_str().expect("a name").to_owned() }
    }

    /// In the namespace.
    pub async fn enter(address: SocketAddr, user: &str) -> Poller {
        Self::enter_over(Connection::open(address).await, user).await
    }

    pub async fn enter_over(connection: Connection, user: &str) -> Poller {
        let mut poller = Poller::open_over(connection).await;
        poller.say(&format!("40{}", json!({ "token": token(user) }))).await;
        let packets = poller.poll().await;
        super::websocket::check_reply(&packets[0]);
        poller
    }

    pub fn target(&self) -> String {
        format!("/socket.io/?EIO=4&transport=polling&sid={}", self.sid)
    }

    pub async fn say(&mut self, packets: &str) {
        let headers = ["Content-Type: text/plain;charset=UTF-8"];
        let response = self.connection.request("POST", &self.target(), &headers, packets).await;
        assert_eq!((response.status, &*response.body), (200, &b"ok"[..]));
    }

    /// What polling brings next, but for pings, which are answered.
    pub async fn poll(&mut self) -> Vec<String> {
        loop {
            let response = self.connection.request("GET", &self.target(), &[], "").await;
            let body = String::from_utf8(response.body).expect("text");
            assert_eq!(response.status, 200, "{body}");
            let mut packets: Vec<_> = body.split('\u{1e}').map(str::to_owned).collect();
            if packets.iter().any(|packet| packet == "2") {
                self.say("3").await;
                packets.retain(|packet| packet != "2");
            }
            if !packets.is_empty() {
                return packets;
            }
        }
    }
}
