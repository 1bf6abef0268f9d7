//! TLS in the process: stock clients get by it what they get without, and whoever does something else harms nobody.

use std::{path::PathBuf, sync::Arc};

use rcgen::{CertificateParams, KeyPair};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    process::Command,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::support::{Client, Database, Network, PATIENCE, Server, Sockets, token, within};

const TRANSPORTS: [&[&str]; 3] = [&["websocket"], &["polling"], &["polling", "websocket"]];

/// A certificate and its key where a server finds them.
struct Files {
    folder: TempDir,
    /// What clients trust.
    pem: String,
}

impl Files {
    fn new() -> Files {
        let mut files = Files { folder: TempDir::new().expect("a directory"), pem: String::new() };
        files.renew();
        files
    }

    fn renew(&mut self) {
        let key = KeyPair::generate().expect("a key");
        let parameters = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("parameters");
        self.pem = parameters.self_signed(&key).expect("a certificate").pem();
        std::fs::write(self.path("cert.pem"), &self.pem).expect("writes");
        std::fs::write(self.path("key.pem"), key.serialize_pem()).expect("writes");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn serve(&self, database: &Database, more: &[&str]) -> Server {
        let (certificate, key) = (self.path("cert.pem"), self.path("key.pem"));
        let ours = ["--tls-cert", certificate.to_str().expect("UTF-8"), "--tls-key", key.to_str().expect("UTF-8")];
        Server::start_with(database, &[&ours, more].concat()).await
    }

    /// A client that trusts the certificate, and comes back soon.
    async fn connect(&self, sockets: &Sockets, address: impl std::fmt::Display, transports: &[&str]) -> Client {
        try_connect(sockets, address, transports, json!({ "ca": self.pem })).await.expect("connects")
    }

    async fn connect_once(&self, sockets: &Sockets, address: impl std::fmt::Display) -> Client {
        let options = json!({
            "transports": ["websocket"], "auth": { "token": token("ann") }, "ca": self.pem, "reconnection": false,
        });
        sockets.client(json!({ "url": format!("https://{address}"), "options": options })).await.expect("connects")
    }

    /// A connection whose client offers these protocols.
    async fn dial(&self, server: &Server, protocols: &[&str]) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.pem.as_bytes()).expect("a certificate")).expect("a root");
        let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        let tcp = TcpStream::connect(server.address).await.expect("connects");
        let name = ServerName::try_from("127.0.0.1").expect("a name");
        let handshake = TlsConnector::from(Arc::new(config)).connect(name, tcp);
        within("a handshake", handshake).await.expect("shakes hands")
    }
}

async fn try_connect(
    sockets: &Sockets,
    address: impl std::fmt::Display,
    transports: &[&str],
    mut options: Value,
) -> Result<Client, String> {
    for (name, value) in [
        ("transports", json!(transports)),
        ("auth", json!({ "token": token("ann") })),
        ("reconnectionDelay", json!(50)),
        ("reconnectionDelayMax", json!(200)),
    ] {
        options[name] = value;
    }
    options["reconnection"] = options["ca"].is_string().into();
    sockets.client(json!({ "url": format!("https://{address}"), "options": options })).await
}

/// A server with a component that a client over each transport follows.
async fn follow(database: &Database, client: &mut Client) -> String {
    let id = database.component("c", "[]").await;
    client.catch_up(database).await;
    client.subscribe(json!({ "componentId": id })).await;
    id
}

async fn rename(database: &Database, id: &str, name: &str) {
    database.sql(&format!("UPDATE components SET name = '{name}' WHERE id = '{id}'")).await;
}

#[tokio::test]
async fn each_transport_subscribes_and_hears_in_order() {
    let (database, files, sockets) = (Database::new().await, Files::new(), Sockets::start().await);
    let server = files.serve(&database, &["--rate-burst", "1000"]).await;
    for transports in TRANSPORTS {
        let mut client = files.connect(&sockets, server.address, transports).await;
        if transports.len() > 1 {
            assert_eq!(client.until("upgrade").await, ["websocket"]);
        }
        let id = follow(&database, &mut client).await;
        for name in 0..50 {
            rename(&database, &id, &name.to_string()).await;
        }
        for name in 0..50 {
            assert_eq!(client.expect("component:updated").await["updates"]["name"], name.to_string(), "{transports:?}");
        }
        let acks =
            client.requests("component:subscribe", (0..500).map(|n| json!({ "componentId": n })).collect()).await;
        let rooms: Vec<_> = (0..500).map(|n| json!(format!("component:{n}"))).collect();
        assert_eq!(acks.iter().map(|ack| ack["room"].clone()).collect::<Vec<_>>(), rooms);
        client.disconnect().await;
    }
}

#[tokio::test]
async fn who_does_not_trust_the_certificate_stays_out() {
    let (database, files, sockets) = (Database::new().await, Files::new(), Sockets::start().await);
    let server = files.serve(&database, &[]).await;
    for transport in ["websocket", "polling"] {
        let refused = try_connect(&sockets, server.address, &[transport], json!({})).await;
        assert!(refused.is_err(), "{transport}");
        let careless = json!({ "rejectUnauthorized": false });
        try_connect(&sockets, server.address, &[transport], careless).await.expect("connects");
    }
}

#[tokio::test]
async fn who_is_cut_off_recovers_over_each_transport() {
    let (database, files, sockets) = (Database::new().await, Files::new(), Sockets::start().await);
    let server = files.serve(&database, &[]).await;
    for transports in TRANSPORTS {
        let network = Network::start(Some(server.address)).await;
        let mut client = files.connect(&sockets, network.address, transports).await;
        let id = follow(&database, &mut client).await;
        rename(&database, &id, "before").await;
        assert_eq!(client.expect("component:updated").await["updates"]["name"], "before");
        network.aim(None);
        network.cut();
        client.until("disconnect").await;
        for name in 0..100 {
            rename(&database, &id, &name.to_string()).await;
        }
        network.aim(Some(server.address));
        assert_eq!(client.until("connect").await[0], true, "{transports:?}: it has recovered");
        for name in 0..100 {
            assert_eq!(client.expect("component:updated").await["updates"]["name"], name.to_string(), "{transports:?}");
        }
    }
}

#[tokio::test]
async fn a_large_transaction_arrives_whole_and_in_order() {
    const ROWS: usize = 3_000;
    let (database, files, sockets) = (Database::new().await, Files::new(), Sockets::start().await);
    for compress_above in ["1GiB", "1B"] {
        let more = ["--room-cap", "1000000", "--outbox-bytes", "8MiB", "--compress-above", compress_above];
        let mut server = files.serve(&database, &more).await;
        for transports in TRANSPORTS {
            let mut client = files.connect(&sockets, server.address, transports).await;
            client.catch_up(&database).await;
            client.subscribe(json!({ "entityType": "page", "entityId": "big" })).await;
            database
                .sql(&format!(
                    "INSERT INTO components (entity_type, entity_id, type, name) \
                     SELECT 'page', 'big', 'text', n || repeat('x', n % 1000) FROM generate_series(1, {ROWS}) n"
                ))
                .await;
            for n in 1..=ROWS {
                let event = client.expect("component:created").await;
                assert_eq!(event["component"]["name"], format!("{n}{}", "x".repeat(n % 1000)), "{transports:?}");
            }
            client.disconnect().await;
        }
        assert_eq!(server.stop().await, Some(0));
    }
}

#[tokio::test]
async fn one_message_larger_than_every_buffer_arrives_and_is_taken() {
    const LARGE: usize = 700_000;
    let (database, files, sockets) = (Database::new().await, Files::new(), Sockets::start().await);
    let server = files.serve(&database, &["--compress-above", "1GiB"]).await;
    for transports in TRANSPORTS {
        let mut client = files.connect(&sockets, server.address, transports).await;
        let id = follow(&database, &mut client).await;
        client.subscribe(json!({ "componentId": id, "ignored": "x".repeat(LARGE) })).await;
        database.sql(&format!("UPDATE components SET name = repeat('y', {LARGE}) WHERE id = '{id}'")).await;
        let event = client.expect("component:updated").await;
        assert!(event["updates"]["name"] == "y".repeat(LARGE).as_str(), "{transports:?}: it is another text");
    }
}

fn descriptors(server: &Server) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", server.pid())).expect("Linux").count()
}

#[tokio::test]
async fn who_reads_nothing_is_sent_away_and_its_descriptor_closed() {
    let (database, files, sockets) = (Database::new().await, Files::new(), Sockets::start().await);
    // For the first it is the bytes that are too many, for the second the time.
    for more in
        [["--outbox-bytes", "64KiB", "--stall-timeout", "1h"], ["--outbox-bytes", "1GiB", "--stall-timeout", "1s"]]
    {
        let server = files.serve(&database, &[&more[..], &["--compress-above", "1GiB"]].concat()).await;
        let mut bystander = files.connect(&sockets, server.address, &["websocket"]).await;
        let quiet = follow(&database, &mut bystander).await;
        let id = database.component("c", "[]").await;
        let before = descriptors(&server);
        // One that does not come back, and so has no other descriptor then.
        let client = files.connect_once(&sockets, server.address).await;
        client.subscribe(json!({ "componentId": id })).await;
        assert!(descriptors(&server) > before);
        client.pause().await;
        // Together more than what the kernel holds for a socket.
        const WRITES: usize = 1_000;
        database
            .sql(&format!(
                "DO $$ BEGIN FOR n IN 1..{WRITES} LOOP
                     UPDATE components SET version = n, name = lpad(n::text, 16000, 'x') WHERE id = '{id}'; COMMIT;
                 END LOOP; END $$"
            ))
            .await;
        let ended = |line: &Value| line["message"] == "connection ended";
        let line = server.logged("the end of the connection", PATIENCE, ended).await.expect("the server lives");
        // The kernel counts the time too, and may be first.
        let by_kernel = more[3] == "1s" && line["reason"] == "connection lost";
        assert!(line["reason"] == "slow_consumer" || by_kernel, "{line}");
        within("the end of its descriptor", async {
            // Nobody tells when a descriptor is closed, so it is looked for.
            while descriptors(&server) > before {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        })
        .await;
        // It costs only itself.
        rename(&database, &quiet, "heard").await;
        assert_eq!(bystander.expect("component:updated").await["updates"]["name"], "heard");
    }
}

#[tokio::test]
async fn whoever_speaks_no_tls_or_nothing_holds_up_nobody() {
    let (database, files, sockets) = (Database::new().await, Files::new(), Sockets::start().await);
    let server = files.serve(&database, &[]).await;
    for garbage in [&b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"[..], &[0; 100_000], &[0x16, 3, 1, 0xFF, 0xFF], b""] {
        let mut stream = TcpStream::connect(server.address).await.expect("connects");
        stream.write_all(garbage).await.expect("writes");
        stream.shutdown().await.expect("shuts down");
        let mut answer = Vec::new();
        // It may be broken off with what was not read.
        let _ = within("the end of the connection", stream.read_to_end(&mut answer)).await;
        assert!(!answer.starts_with(b"HTTP"), "it is answered in the clear");
    }
    let silent = async || TcpStream::connect(server.address).await.expect("connects");
    let mut held = Vec::new();
    for _ in 0..100 {
        held.push(silent().await);
    }
    let mut client = files.connect(&sockets, server.address, &["polling", "websocket"]).await;
    client.until("upgrade").await;
    let id = follow(&database, &mut client).await;
    // More than may shake hands at a time, and no more than wait in the kernel.
    for _ in 0..1_000 {
        held.push(silent().await);
    }
    rename(&database, &id, "meanwhile").await;
    assert_eq!(client.expect("component:updated").await["updates"]["name"], "meanwhile");
    drop(held);
    files.connect(&sockets, server.address, &["websocket"]).await;
    let loud: Vec<_> = server.log().into_iter().filter(|line| line["level"] != "INFO").collect();
    assert!(loud.is_empty(), "{loud:?}");
}

#[tokio::test]
async fn requests_over_https_are_answered_by_http_1_1_only() {
    let (database, files) = (Database::new().await, Files::new());
    let server = files.serve(&database, &[]).await;
    for protocols in [&["h2", "http/1.1"][..], &[]] {
        let mut stream = files.dial(&server, protocols).await;
        let agreed = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
        assert_eq!(agreed, (!protocols.is_empty()).then(|| b"http/1.1".to_vec()));
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.expect("writes");
        let mut answer = String::new();
        within("an answer and the end", stream.read_to_string(&mut answer)).await.expect("a close_notify at the end");
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with(r#"{"status":"ok"}"#), "{answer}");
    }
}

/// Reads to the end of the object with this beginning.
async fn until(stream: &mut TlsStream<TcpStream>, came: &mut Vec<u8>, beginning: &[u8]) {
    let is_whole = |came: &[u8]| {
        let start = came.windows(beginning.len()).position(|bytes| bytes == beginning);
        start.is_some_and(|start| came[start..].contains(&b'}'))
    };
    while !is_whole(came) {
        assert_ne!(within("a packet", stream.read_buf(came)).await.expect("reads"), 0);
    }
}

/// A WebSocket whose client has connected by hand.
async fn websocket(files: &Files, server: &Server) -> TlsStream<TcpStream> {
    let mut stream = files.dial(server, &[]).await;
    let request = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                   Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
    stream.write_all(request.as_bytes()).await.expect("writes");
    let mut came = Vec::new();
    until(&mut stream, &mut came, b"0{\"sid\"").await;
    let connect = format!("40{}", json!({ "token": token("ann") }));
    let length = u16::try_from(connect.len()).expect("a short token");
    let frame = [&[0x81, 0x80 | 126], &length.to_be_bytes()[..], &[0; 4], connect.as_bytes()].concat();
    stream.write_all(&frame).await.expect("writes");
    came.clear();
    until(&mut stream, &mut came, b"40{\"sid\"").await;
    stream
}

#[tokio::test]
async fn the_end_of_a_websocket_is_told() {
    let (database, files) = (Database::new().await, Files::new());
    let mut server = files.serve(&database, &[]).await;
    // The client closes, without a reason and masked by zeros; then it breaks the protocol; then the server stops.
    let mut rest = Vec::new();
    for sent in [[0x88, 0x80, 0, 0, 0, 0], [0x83, 0x80, 0, 0, 0, 0]] {
        let mut stream = websocket(&files, &server).await;
        stream.write_all(&sent).await.expect("writes");
        rest.clear();
        within("the end", stream.read_to_end(&mut rest)).await.expect("a close_notify at the end");
        // A ping may have been on its way.
        let last = rest.strip_prefix(b"\x81\x012").unwrap_or(&rest);
        assert_eq!(last.first(), Some(&0x88), "no frame that closes: {rest:x?}");
    }
    let mut stream = websocket(&files, &server).await;
    let stopped = server.stop();
    rest.clear();
    let read = async { within("the end", stream.read_to_end(&mut rest)).await.expect("a close_notify at the end") };
    assert_eq!(tokio::join!(stopped, read).0, Some(0));
}

#[tokio::test]
async fn a_new_certificate_is_read_on_sighup_and_a_bad_one_is_not_taken() {
    let (database, mut files, sockets) = (Database::new().await, Files::new(), Sockets::start().await);
    let server = files.serve(&database, &[]).await;
    let mut client = files.connect(&sockets, server.address, &["websocket"]).await;
    let id = follow(&database, &mut client).await;
    let old = json!({ "ca": files.pem, "reconnection": false });

    files.renew();
    hang_up(&server, "certificate read anew").await;
    files.connect(&sockets, server.address, &["websocket"]).await;
    let mut trusts_the_old = old;
    trusts_the_old["transports"] = json!(["websocket"]);
    let order = json!({ "url": format!("https://{}", server.address), "options": trusts_the_old });
    assert!(sockets.client(order).await.is_err(), "the old certificate is still served");
    rename(&database, &id, "heard by the old").await;
    assert_eq!(client.expect("component:updated").await["updates"]["name"], "heard by the old");

    std::fs::write(files.path("cert.pem"), "nonsense").expect("writes");
    let line = hang_up(&server, "the certificate stays as it was").await;
    assert_eq!(line["level"], "ERROR");
    let error = line["error"].as_str().expect("an error");
    assert!(error.contains("WALCAST_TLS_CERT") && error.contains("no certificate in PEM form"), "{error}");
    files.connect(&sockets, server.address, &["polling"]).await;
}

async fn hang_up(server: &Server, message: &str) -> Value {
    let sent = Command::new("kill").args(["-HUP", &server.pid().to_string()]).status().await.expect("kill runs");
    assert!(sent.success());
    server.logged(message, PATIENCE, |line| line["message"] == message).await.expect("the server lives")
}
