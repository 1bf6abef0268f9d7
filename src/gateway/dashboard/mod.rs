//! The namespace `/dashboard`: what an operator looks at. Little is sent in it, so it is the library's alone: its packets pass
//! the links as whatever the library writes does.

mod feed;
mod inspector;
mod local;

use std::{
    borrow::Cow,
    collections::HashMap,
    future::{self, Future},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use socketioxide::{
    SocketIo,
    extract::{AckSender, SocketRef, TryData},
    handler::ConnectHandler,
    socket::Sid,
};
use tokio::sync::Notify;
use tokio_util::task::AbortOnDropHandle;

use super::{
    handshake::{INVALID_TOKEN, NO_TOKEN, bearer, knock},
    library::Library,
    link::Link,
};
use crate::{
    auth::{TokenError, Verifier},
    hub::{Hub, Lens},
};
use inspector::Inspection;
pub use local::FromHere;

/// What an operator is told. Nothing of it is computed unless somebody looks.
pub trait Monitor: Send + Sync {
    /// How all stands now. Asked once a second.
    fn snapshot(&self) -> BoxFuture<'_, Value>;

    /// What is published, and by which rules; `Err`: why that is not known.
    fn published(&self) -> BoxFuture<'_, Result<Value, String>>;

    /// What the doctor finds; `Err`: why that is not known.
    fn findings(&self) -> BoxFuture<'_, Result<Value, String>>;
}

/// What the dashboard is made from.
pub struct Settings {
    pub monitor: Arc<dyn Monitor>,
    /// Whether who comes from this machine needs no token. Only where nobody else can reach the listener.
    pub is_open: bool,
}

const NAMESPACE: &str = "/dashboard";

struct Dashboard {
    settings: Settings,
    hub: Hub,
    verifier: Arc<Verifier>,
    library: Library,
    visitors: Mutex<HashMap<Sid, Arc<Visitor>>>,
    /// Somebody came.
    came: Notify,
}

/// Somebody who looks.
#[derive(Default)]
struct Visitor {
    /// When its token expires, in seconds since 1970.
    exp: Option<u64>,
    /// What events it looks at.
    inspection: Mutex<Option<Inspection>>,
}

/// Installs the namespace, and what feeds it until it is dropped.
pub fn install(
    library: &Library,
    io: &SocketIo,
    settings: Settings,
    hub: Hub,
    verifier: Arc<Verifier>,
) -> AbortOnDropHandle<()> {
    let (library, visitors) = (library.clone(), Mutex::default());
    let dashboard = Arc::new(Dashboard { settings, hub, verifier, library, visitors, came: Notify::new() });
    let enter = {
        let (io, dashboard) = (io.clone(), Arc::clone(&dashboard));
        move |socket: SocketRef, TryData(auth): TryData<Value>| {
            future::ready(dashboard.enter(&io, &socket, &auth.unwrap_or_default()))
        }
    };
    let connected = {
        let dashboard = Arc::clone(&dashboard);
        move |_: SocketRef| {
            dashboard.came.notify_one();
            future::ready(())
        }
    };
    io.ns(NAMESPACE, connected.with(enter));
    AbortOnDropHandle::new(tokio::spawn(feed::run(io.clone(), dashboard)))
}

impl Dashboard {
    fn enter(self: &Arc<Self>, io: &SocketIo, socket: &SocketRef, auth: &Value) -> Result<(), Cow<'static, str>> {
        let link = knock(&self.library, socket)?;
        let visitor = Arc::new(Visitor { exp: self.admit(&link, socket, auth)?, ..Visitor::default() });
        self.visitors().insert(socket.id, Arc::clone(&visitor));
        self.listen(io, socket, visitor);
        Ok(())
    }

    /// When the token expires that lets a socket in, if there is one and it does.
    fn admit(&self, link: &Link, socket: &SocketRef, auth: &Value) -> Result<Option<u64>, &'static str> {
        let request = socket.req_parts();
        let in_auth = auth.get("token").and_then(Value::as_str).filter(|token| !token.is_empty());
        let Some(token) = in_auth.or_else(|| bearer(&request.headers)) else {
            let is_let_in = self.settings.is_open && request.extensions.get::<FromHere>().is_some();
            if is_let_in {
                return Ok(None);
            }
            link.count_failure();
            return Err(NO_TOKEN);
        };
        match self.verifier.verify_admin(token) {
            Ok(claims) => {
                tracing::info!(user = claims.user_id, "an operator looks at the dashboard");
                Ok(claims.exp)
            }
            Err(error) => {
                tracing::debug!(socket = %socket.id, %error, "dashboard refused");
                // A token that has expired was a good one.
                if !error.has_expired() {
                    link.count_failure();
                }
                Err(if matches!(error, TokenError::NotAdmin) { NOT_ADMIN } else { INVALID_TOKEN })
            }
        }
    }

    fn listen(self: &Arc<Self>, io: &SocketIo, socket: &SocketRef, visitor: Arc<Visitor>) {
        let monitor = Arc::clone(&self.settings.monitor);
        socket.on("published", move |ack: AckSender| {
            let monitor = Arc::clone(&monitor);
            answer(ack, async move { monitor.published().await })
        });
        let monitor = Arc::clone(&self.settings.monitor);
        socket.on("doctor", move |ack: AckSender| {
            let monitor = Arc::clone(&monitor);
            answer(ack, async move { monitor.findings().await })
        });
        let (looks, io, hub) = (Arc::clone(&visitor), io.clone(), self.hub.clone());
        socket.on("inspect", move |socket: SocketRef, TryData(ask): TryData<Value>, ack: AckSender| {
            let begun = lens(&ask.unwrap_or_default()).map(|lens| {
                *looks.inspection() = lens.map(|lens| Inspection::begin(&hub, io.clone(), socket.id, lens));
                Value::Null
            });
            answer(ack, future::ready(begun))
        });
        let looks = visitor;
        socket.on("payload", move |TryData(ask): TryData<Value>, ack: AckSender| {
            let offset = ask.ok().and_then(|ask| Some(ask.get("offset")?.as_str()?.to_owned()));
            let found =
                looks.inspection().as_ref().zip(offset).and_then(|(inspection, offset)| inspection.payload(&offset));
            answer(ack, future::ready(found.ok_or_else(|| "the event is not kept any more".to_owned())))
        });
        let dashboard = Arc::downgrade(self);
        socket.on_disconnect(move |socket: SocketRef| {
            if let Some(dashboard) = dashboard.upgrade()
                && let Some(gone) = dashboard.visitors().remove(&socket.id)
            {
                *gone.inspection() = None;
            }
            future::ready(())
        });
    }

    /// Whether the token by which a socket came has expired.
    fn has_expired(&self, socket: Sid) -> bool {
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs();
        self.visitors().get(&socket).and_then(|visitor| visitor.exp).is_some_and(|exp| exp <= now)
    }

    fn visitors(&self) -> MutexGuard<'_, HashMap<Sid, Arc<Visitor>>> {
        self.visitors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Visitor {
    fn inspection(&self) -> MutexGuard<'_, Option<Inspection>> {
        self.inspection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A refusal, word for word as clients compare it.
const NOT_ADMIN: &str = "Authentication error: Not an admin";

/// `{ok: true, data}` or `{ok: false, error}`.
async fn answer(ack: AckSender, outcome: impl Future<Output = Result<Value, String>>) {
    let answer = match outcome.await {
        Ok(data) => json!({ "ok": true, "data": data }),
        Err(error) => json!({ "ok": false, "error": error }),
    };
    // Whoever asked may have gone.
    let _ = ack.send(&answer);
}

/// What `inspect {room?, table?}` asks for; `null` ends it.
fn lens(ask: &Value) -> Result<Option<Lens>, String> {
    let text = |name: &str| match ask.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty())),
        Some(_) => Err(format!("`{name}` must be a text")),
    };
    match ask {
        Value::Null => Ok(None),
        Value::Object(_) => Ok(Some(Lens { room: text("room")?, table: text("table")? })),
        _ => Err("give an object {room, table}, or null to end".to_owned()),
    }
}
