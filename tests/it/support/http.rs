use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::within;

/// A request without a body; status code, head and body of the response.
pub async fn request(address: SocketAddr, method: &str, path: &str, headers: &[&str]) -> (u16, String, String) {
    exchange(address, method, path, headers, "").await
}

/// JSON that is posted, as a page does.
pub async fn post(address: SocketAddr, path: &str, headers: &[&str], json: &str) -> (u16, String, String) {
    let length = format!("Content-Length: {}", json.len());
    let own = ["Content-Type: application/json", length.as_str()];
    exchange(address, "POST", path, &[&own, headers].concat(), json).await
}

async fn exchange(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[&str],
    body: &str,
) -> (u16, String, String) {
    let mut stream = TcpStream::connect(address).await.expect("connects");
    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    for header in headers {
        request.push_str(header);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    request.push_str(body);
    stream.write_all(request.as_bytes()).await.expect("writes");
    let mut response = String::new();
    within("an HTTP response", stream.read_to_string(&mut response)).await.expect("reads");
    let status = response.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    let (head, body) = response.split_once("\r\n\r\n").expect("a body");
    (status, head.to_owned(), body.to_owned())
}
