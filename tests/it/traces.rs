//! Traces: what a collector is sent, by OTLP over HTTP.

use std::{io::Write, net::SocketAddr, sync::Arc};

use axum::{Router, body::Bytes, http::HeaderMap, routing::post};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value},
    trace::v1::Span,
};
use prost::Message;
use rustls::{ServerConfig, crypto::aws_lc_rs, pki_types::PrivatePkcs8KeyDer};
use serde_json::json;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::support::{Database, Server, Sockets, request, token};

/// A collector, which keeps what it is sent.
struct Collector {
    address: SocketAddr,
    came: mpsc::UnboundedReceiver<ExportTraceServiceRequest>,
}

impl Collector {
    async fn start() -> Collector {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let (address, (router, came)) = (listener.local_addr().expect("an address"), routes());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Collector { address, came }
    }

    /// Over TLS, with a certificate that the file vouches for.
    async fn start_tls() -> (Collector, tempfile::NamedTempFile) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(made.cert.pem().as_bytes()).expect("writes");
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key.into())
            .expect("a configuration");
        let tcp = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let (address, (router, came)) = (tcp.local_addr().expect("an address"), routes());
        let listener = TlsListener { tcp, acceptor: TlsAcceptor::from(Arc::new(config)) };
        tokio::spawn(async move { axum::serve(listener, router).await });
        (Collector { address, came }, file)
    }

    /// All that came, once the server has ended.
    async fn spans(mut self) -> Vec<Span> {
        let mut spans = Vec::new();
        while let Ok(request) = self.came.try_recv() {
            for resource in request.resource_spans {
                let of = resource.resource.expect("says of what it is").attributes;
                assert_eq!(text(&of, "service.name"), "walcast");
                spans.extend(resource.scope_spans.into_iter().flat_map(|scope| scope.spans));
            }
        }
        spans
    }
}

fn routes() -> (Router, mpsc::UnboundedReceiver<ExportTraceServiceRequest>) {
    let (sender, came) = mpsc::unbounded_channel();
    let take = async move |headers: HeaderMap, body: Bytes| {
        assert_eq!(headers["content-type"], "application/x-protobuf");
        let _ = sender.send(ExportTraceServiceRequest::decode(body).expect("what the protocol says"));
    };
    (Router::new().route("/v1/traces", post(take)), came)
}

struct TlsListener {
    tcp: TcpListener,
    acceptor: TlsAcceptor,
}

impl axum::serve::Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        let (stream, peer) = self.tcp.accept().await.expect("accepts");
        (self.acceptor.accept(stream).await.expect("shakes hands"), peer)
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

fn attribute<'a>(of: &'a [KeyValue], name: &str) -> &'a any_value::Value {
    let found = of.iter().find(|pair| pair.key == name).unwrap_or_else(|| panic!("no {name} in {of:?}"));
    found.value.as_ref().and_then(|value| value.value.as_ref()).expect("a value")
}

fn text(of: &[KeyValue], name: &str) -> String {
    match attribute(of, name) {
        any_value::Value::StringValue(text) => text.clone(),
        other => panic!("{name} is {other:?}"),
    }
}

fn number(of: &[KeyValue], name: &str) -> i64 {
    match attribute(of, name) {
        any_value::Value::IntValue(number) => *number,
        other => panic!("{name} is {other:?}"),
    }
}

fn named<'a>(spans: &'a [Span], name: &str) -> Vec<&'a Span> {
    spans.iter().filter(|span| span.name == name).collect()
}

#[tokio::test]
async fn the_way_of_a_transaction_a_write_and_a_request_are_told() {
    let (database, collector) = (Database::new().await, Collector::start().await);
    let endpoint = format!("http://{}", collector.address);
    let mut server = Server::start_with(&database, &["--otlp-endpoint", &endpoint]).await;
    let sockets = Sockets::start().await;
    let mut ann = sockets.connect(&server, "ann", "websocket").await;
    ann.subscribe(json!({ "entityType": "page", "entityId": "1" })).await;
    let id = database.component("a", "[]").await;
    ann.expect("component:created").await;
    let xid: String = database.value("SELECT xmin::text FROM components").await;
    let update = json!({ "componentId": id, "updates": { "name": "b" } });
    assert_eq!(ann.request("component:update", update).await["ok"], true);
    let traceparent = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let bearer = format!("Authorization: Bearer {}", token("ann"));
    let path = "/api/rows/component?entityType=page&entityId=1";
    assert_eq!(request(server.address, "GET", path, &[&bearer, traceparent]).await.0, 200);
    assert_eq!(request(server.address, "GET", "/metrics", &[]).await.0, 200);
    assert_eq!(server.stop().await, Some(0));

    let spans = collector.spans().await;
    let is_it = |span: &&&Span| span.events.iter().any(|event| number(&event.attributes, "xid").to_string() == xid);
    let batches = named(&spans, "batch");
    let batch = batches.iter().find(is_it).unwrap_or_else(|| panic!("no batch with {xid} in {batches:?}"));
    for counted in ["transactions", "changes", "events"] {
        assert_eq!(number(&batch.attributes, counted), 1, "{counted}");
    }
    assert!(batch.parent_span_id.is_empty(), "{batch:?}");
    let stage = |name: &str| {
        let stages = named(&spans, name);
        let of = stages.iter().find(|span| span.parent_span_id == batch.span_id).expect("a stage of it");
        assert_eq!(of.trace_id, batch.trace_id);
        (of.start_time_unix_nano, of.end_time_unix_nano)
    };
    let stages = ["decode", "map", "dispatch"].map(stage);
    assert!(stages.windows(2).all(|pair| pair[0].1 <= pair[1].0), "one after the other: {stages:?}");
    assert!(batch.start_time_unix_nano <= stages[0].0 && stages[2].1 <= batch.end_time_unix_nano);

    let [write] = named(&spans, "write")[..] else { panic!("one write in {spans:?}") };
    let said = ["prefix", "action", "outcome"].map(|name| text(&write.attributes, name));
    assert_eq!(said, ["component", "update", "ok"]);
    let [read] = named(&spans, "GET /api/rows/{prefix}")[..] else { panic!("one request in {spans:?}") };
    assert_eq!(number(&read.attributes, "http.response.status_code"), 200);
    assert_eq!(text(&read.attributes, "url.path"), "/api/rows/component");
    assert_eq!(read.trace_id[..4], [0x0a, 0xf7, 0x65, 0x19], "it is a part of the trace that its client began");
    assert_eq!(read.parent_span_id[..4], [0xb7, 0xad, 0x6b, 0x71]);
    assert!(!named(&spans, "GET /socket.io/").is_empty(), "{spans:?}");
    assert!(spans.iter().all(|span| !span.name.contains("metrics")), "who asks all the time is not traced");
}

#[tokio::test]
async fn a_collector_is_reached_over_tls() {
    let (database, (collector, certificate)) = (Database::new().await, Collector::start_tls().await);
    let endpoint = format!("https://localhost:{}/", collector.address.port());
    let trusted = ("SSL_CERT_FILE", certificate.path());
    let mut server = Server::start_in(trusted, &database, &["--otlp-endpoint", &endpoint]).await;
    database.component("a", "[]").await;
    server.until_metric("walcast_events_total", |value| value >= 1.0).await;
    assert_eq!(server.stop().await, Some(0));
    assert!(!named(&collector.spans().await, "batch").is_empty());
}

#[tokio::test]
async fn a_collector_that_is_away_disturbs_nobody() {
    let database = Database::new().await;
    let closed = TcpListener::bind("127.0.0.1:0").await.and_then(|listener| listener.local_addr()).expect("a port");
    let mut server = Server::start_with(&database, &["--otlp-endpoint", &format!("http://{closed}")]).await;
    database.component("a", "[]").await;
    server.until_metric("walcast_events_total", |value| value >= 1.0).await;
    assert_eq!(server.stop().await, Some(0));
    let said = server.log().iter().any(|line| line["level"] == "WARN" || line["level"] == "ERROR");
    assert!(said, "that spans were lost is logged");
}
