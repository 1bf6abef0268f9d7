//! A client that subscribes and then never reads again.

use std::net::SocketAddr;

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

use crate::{support::token, truth::Ids};

/// Holds its connection until dropped.
pub struct Stuck {
    _stream: TcpStream,
}

impl Stuck {
    /// `None` where the server is not there just now.
    pub async fn connect(server: SocketAddr, rooms: &[Ids]) -> Option<Stuck> {
        let socket = TcpSocket::new_v4().ok()?;
        // So little that the server notices soon.
        socket.set_recv_buffer_size(4 << 10).ok()?;
        let mut stream = socket.connect(server).await.ok()?;
        let request = format!(
            "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: {server}\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.ok()?);
        }
        if !head.starts_with(b"HTTP/1.1 101") {
            return None;
        }
        let auth = json!({ "token": token("stuck") });
        stream.write_all(&text_frame(&format!("40{auth}"))).await.ok()?;
        for ids in rooms {
            stream.write_all(&text_frame(&format!("42{}", json!(["component:subscribe", ids])))).await.ok()?;
        }
        Some(Stuck { _stream: stream })
    }
}

/// A masked WebSocket text frame of at most 65,535 bytes; the mask is zero.
fn text_frame(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).expect("a short text").to_be_bytes();
    [&[0x81, 0x80 | 126], &length[..], &[0; 4], text.as_bytes()].concat()
}
