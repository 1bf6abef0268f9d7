//! Socket.IO over a bare WebSocket: as little as a client needs, so that a thousand of them cost little.

use std::{io, net::SocketAddr};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpSocket, TcpStream},
};

use crate::support::token;

pub struct Wire {
    stream: BufReader<TcpStream>,
}

/// What a server says after the handshake.
pub enum Packet {
    /// An event's name and payload.
    Event(String, Value),
    /// The answer to the request of this number.
    Ack(u64, Value),
}

impl Wire {
    /// Connects and shows a token. `receive`: the kernel's buffer, in bytes.
    pub async fn connect(server: SocketAddr, user: &str, receive: Option<u32>) -> io::Result<Wire> {
        let socket = TcpSocket::new_v4()?;
        if let Some(bytes) = receive {
            socket.set_recv_buffer_size(bytes)?;
        }
        let mut wire = Wire { stream: BufReader::new(socket.connect(server).await?) };
        let request = format!(
            "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: {server}\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        );
        wire.stream.write_all(request.as_bytes()).await?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(wire.stream.read_u8().await?);
        }
        if !head.starts_with(b"HTTP/1.1 101") {
            return Err(io::Error::other(String::from_utf8_lossy(&head).into_owned()));
        }
        wire.send(&format!("40{}", json!({ "token": token(user), "recovery": false }))).await?;
        // Whoever asks for something before is sent away.
        loop {
            let text = wire.text().await?;
            if text.starts_with("40") {
                return Ok(wire);
            }
            if !text.starts_with('0') {
                return Err(io::Error::other(text));
            }
        }
    }

    pub async fn request(&mut self, number: u64, event: &str, payload: &Value) -> io::Result<()> {
        self.send(&format!("42{number}{}", json!([event, payload]))).await
    }

    /// The next event or ack. Cancelled, it must not be called again.
    pub async fn next(&mut self) -> io::Result<Packet> {
        loop {
            let text = self.text().await?;
            if let Some(body) = text.strip_prefix("42") {
                let (name, payload) = serde_json::from_str(body)?;
                return Ok(Packet::Event(name, payload));
            } else if let Some(body) = text.strip_prefix("43") {
                let (number, body) = body.split_at(body.find('[').unwrap_or(body.len()));
                let [answer]: [Value; 1] = serde_json::from_str(body)?;
                return Ok(Packet::Ack(number.parse().map_err(io::Error::other)?, answer));
            } else if text.starts_with("41") || text.starts_with("44") || text == "1" {
                return Err(io::Error::other(format!("sent away: {text}")));
            }
        }
    }

    /// The next message that is no ping.
    async fn text(&mut self) -> io::Result<String> {
        loop {
            match self.receive().await? {
                ping if ping == "2" => self.send("3").await?,
                text => return Ok(text),
            }
        }
    }

    /// A masked text frame of at most 65,535 bytes; the mask is zero.
    async fn send(&mut self, text: &str) -> io::Result<()> {
        let length = u16::try_from(text.len()).map_err(io::Error::other)?.to_be_bytes();
        let frame = [&[0x81, 0x80 | 126], &length[..], &[0; 4], text.as_bytes()].concat();
        self.stream.write_all(&frame).await
    }

    async fn receive(&mut self) -> io::Result<String> {
        let [kind, length] = [self.stream.read_u8().await?, self.stream.read_u8().await?];
        let length = match length {
            126 => u64::from(self.stream.read_u16().await?),
            127 => self.stream.read_u64().await?,
            short => short.into(),
        };
        if kind != 0x81 {
            return Err(io::Error::other(format!("the connection ends (frame {kind:#x})")));
        }
        let mut text = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        self.stream.read_exact(&mut text).await?;
        String::from_utf8(text).map_err(io::Error::other)
    }
}
