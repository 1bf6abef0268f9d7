use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, Instant},
};

use axum::{
    body::{Body, to_bytes},
    extract::Request,
    http::{Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use socketioxide::{service::SocketIoService, socket::Sid};
use tower::Service as _;

use super::{
    link::{Heartbeats, Limits, Link},
    packet,
};
use crate::telemetry;

/// The library that keeps the protocol, and which link belongs to which of its sessions. Cheap to clone.
///
/// It is spoken to as Engine.IO's clients do that poll, whatever a client has really: by requests, of which only the first
/// has come over the network.
#[derive(Clone)]
pub struct Library(Arc<Inner>);

struct Inner {
    service: SocketIoService<axum::Router>,
    limits: Limits,
    links: Mutex<HashMap<Sid, Weak<Link>>>,
    /// Those for which something waits.
    watched: Mutex<Vec<Weak<Link>>>,
    heartbeats: Mutex<Heartbeats>,
}

/// How often it is looked for links whose client takes nothing, or is to be asked whether it is there.
const WATCH: Duration = Duration::from_millis(500);

impl Library {
    pub fn new(service: SocketIoService<axum::Router>, limits: Limits) -> Self {
        let (links, watched, heartbeats) = Default::default();
        let inner = Arc::new(Inner { service, limits, links, watched, heartbeats });
        tokio::spawn(watch(Arc::downgrade(&inner)));
        Library(inner)
    }

    /// What every link keeps to.
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// Opens a session, which is this link's: the packet by which its client learns of it. `request` says what there is to know
    /// of the client.
    pub async fn open(&self, link: &Arc<Link>, mut request: Request) -> Result<Bytes, Response> {
        *request.uri_mut() = Uri::from_static("/socket.io/?EIO=4&transport=polling");
        let (status, packet) = whole(self.request(request).await).await;
        let opened = packet::opened(&packet, self.limits().beat.every, link.polls());
        let Some((sid, packet)) = opened else { return Err((status, packet).into_response()) };
        link.name(sid);
        lock(&self.0.links).insert(sid, Arc::downgrade(link));
        lock(&self.0.heartbeats).ask_at(Instant::now() + self.limits().beat.every, Arc::downgrade(link));
        tokio::spawn(listen(self.clone(), sid, Arc::clone(link)));
        Ok(packet)
    }

    pub fn find(&self, sid: Sid) -> Option<Arc<Link>> {
        lock(&self.0.links).get(&sid)?.upgrade()
    }

    /// The session is over.
    pub fn forget(&self, sid: Sid) {
        lock(&self.0.links).remove(&sid);
    }

    /// The server stops: every client is sent what waits for it, and its connection ends. Stock clients come back from that;
    /// what the library calls closing tells some of them never to.
    pub fn part(&self) {
        let links: Vec<_> = lock(&self.0.links).values().filter_map(Weak::upgrade).collect();
        links.iter().for_each(|link| link.part());
    }

    /// Something waits for the link's client, which must be seen to take it.
    pub fn watch(&self, link: Weak<Link>) {
        lock(&self.0.watched).push(link);
    }

    /// Ends a session, as if its client had said so.
    pub fn close(&self, sid: Sid) {
        let library = self.clone();
        tokio::spawn(async move { library.tell(sid, packet::CLOSE).await });
    }

    /// Hands the library a packet of a session's client. False: it cannot read it.
    pub async fn tell(&self, sid: Sid, packet: impl Into<Body>) -> bool {
        self.request(of(sid, Method::POST, packet.into())).await.status() == StatusCode::OK
    }

    /// Waits for what the library has to say to a session's client. `None`: the session is over.
    async fn hear(&self, sid: Sid) -> Option<Bytes> {
        let (status, body) = whole(self.request(of(sid, Method::GET, Body::empty())).await).await;
        (status == StatusCode::OK).then_some(body)
    }

    /// Hands the library a request of a client that polls.
    pub async fn request(&self, request: Request) -> Response {
        match self.0.service.clone().call(request).await {
            Ok(response) => response.into_response(),
            Err(never) => match never {},
        }
    }
}

/// Hands the link what the library has to say, for as long as the session lasts.
async fn listen(library: Library, sid: Sid, link: Arc<Link>) {
    while let Some(packets) = library.hear(sid).await {
        if link.deliver(&packets) {
            // Links have a heartbeat of their own.
            library.tell(sid, packet::PONG).await;
        }
    }
    link.end_session();
}

/// A request of a session's client.
fn of(sid: Sid, method: Method, body: Body) -> Request {
    let mut request = Request::new(body);
    *request.method_mut() = method;
    if let Ok(uri) = Uri::try_from(format!("/socket.io/?EIO=4&transport=polling&sid={sid}")) {
        *request.uri_mut() = uri;
    }
    request
}

/// The library's answers are whole already.
async fn whole(response: Response) -> (StatusCode, Bytes) {
    let (head, body) = response.into_parts();
    match to_bytes(body, usize::MAX).await {
        Ok(body) => (head.status, body),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, Bytes::new()),
    }
}

async fn watch(library: Weak<Inner>) {
    let mut ticks = tokio::time::interval(WATCH);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(library) = library.upgrade() else { return };
        let mut watched = std::mem::take(&mut *lock(&library.watched));
        let now = Instant::now();
        let mut outboxes = telemetry::Outboxes::default();
        watched.retain(|link| match link.upgrade().and_then(|link| link.inspect(now)) {
            Some(bytes) => {
                outboxes.add(bytes);
                true
            }
            None => false,
        });
        outboxes.report(library.limits.bytes);
        lock(&library.watched).append(&mut watched);
        beat(&library, now);
    }
}

/// Not under the lock, which who opens a session takes while it has its link's.
fn beat(library: &Inner, now: Instant) {
    let (due, expected) = lock(&library.heartbeats).take(now);
    expected.iter().filter_map(Weak::upgrade).for_each(|link| link.expect());
    for link in due {
        if link.upgrade().is_some_and(|link| link.ping()) {
            let mut heartbeats = lock(&library.heartbeats);
            heartbeats.expect_by(now + library.limits.beat.patience, link.clone());
            heartbeats.ask_at(now + library.limits.beat.every, link);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
