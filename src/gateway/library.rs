use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, Instant},
};

use axum::{
    body::Body,
    extract::Request,
    http::{self, Method},
    response::{IntoResponse, Response},
};
use socketioxide::{SocketIo, service::SocketIoService, socket::Sid};
use tower::Service as _;

use super::{
    link::{Heartbeats, Limits, Link, Stream},
    packet,
};
use crate::telemetry;

/// The library that keeps the protocol, and which link belongs to which of its sessions. Cheap to clone.
#[derive(Clone)]
pub struct Library(Arc<Inner>);

struct Inner {
    io: SocketIo,
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
    pub fn new(io: SocketIo, service: SocketIoService<axum::Router>, limits: Limits) -> Self {
        let links = Mutex::default();
        let inner =
            Arc::new(Inner { io, service, limits, links, watched: Mutex::default(), heartbeats: Mutex::default() });
        tokio::spawn(watch(Arc::downgrade(&inner)));
        Library(inner)
    }

    /// What every link keeps to.
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// The library has opened a session, which is this link's.
    pub fn add(&self, sid: Sid, link: &Arc<Link>) {
        link.name(sid);
        lock(&self.0.links).insert(sid, Arc::downgrade(link));
        lock(&self.0.heartbeats).ask_at(Instant::now() + self.limits().beat.every, Arc::downgrade(link));
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

    /// Lets a poll that is open return. False: the library takes no word.
    pub fn mark(&self, sid: Sid) -> bool {
        let socket = self.0.io.of("/").and_then(|main| main.get_socket(sid));
        socket.is_some_and(|socket| socket.emit(packet::MARKER, &()).is_ok())
    }

    /// Ends a session of a client that polls, as if that had said so.
    pub fn close(&self, sid: Sid) {
        let library = self.clone();
        tokio::spawn(async move {
            let request = http::Request::builder()
                .method(Method::POST)
                .uri(format!("/socket.io/?EIO=4&transport=polling&sid={sid}"))
                .header(http::header::CONTENT_TYPE, "text/plain;charset=UTF-8")
                .body(Body::from("1"));
            if let Ok(request) = request {
                library.request(request).await;
            }
        });
    }

    /// Hands the library a request of a client that polls.
    pub async fn request(&self, request: Request) -> Response {
        match self.0.service.clone().call(request).await {
            Ok(response) => response.into_response(),
            Err(never) => match never {},
        }
    }

    /// Hands the library a WebSocket; `request` says what it needs to know of it.
    pub async fn serve(&self, stream: Stream, request: http::Request<()>) {
        // Of what it is given the library keeps several places for one: behind a pointer they are small.
        if let Err(error) = self.0.service.clone().call((Box::new(stream), request)).await {
            tracing::debug!(%error, "a WebSocket was refused");
        }
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
