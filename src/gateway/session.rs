use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use serde_json::Map;
use socketioxide::extract::SocketRef;

use super::{
    Gateway,
    inbound::{Inbound, Message},
    limits::{Flow, Verdict},
    link::{Link, Visit},
    reply::{Code, Failure, Responder},
    signal, subscribe,
    write::{self, Writer},
};
use crate::{
    auth::Claims,
    events::Room,
    hub::{Hub, Member, Outbox, SocketId, User},
};

/// One socket from its handshake to its end. It leaves the hub when it is told to, or is dropped.
///
/// It does not hold the library's socket: the socket's handlers hold the session, and the two would keep each other alive.
pub struct Session {
    gateway: Arc<Gateway>,
    link: Arc<Link>,
    visit: Visit,
    id: SocketId,
    writer: Writer,
    left: AtomicBool,
    flow: Flow,
}

impl Session {
    pub fn new(gateway: Arc<Gateway>, link: Arc<Link>, visit: Visit, id: SocketId, writer: Writer) -> Self {
        let flow = Flow::new(gateway.rate);
        Session { gateway, link, visit, id, writer, left: AtomicBool::new(false), flow }
    }

    /// The socket, as the hub sees it.
    pub fn member(claims: &Claims, link: &Arc<Link>, recovers: bool) -> Member {
        let user = User { id: claims.user_id.as_str().into(), email: claims.email.as_deref().map(Into::into) };
        Member { user, recovers, outbox: link.clone() }
    }

    pub fn own_room(claims: &Claims) -> Room {
        Room::user(&claims.user_id)
    }

    /// The handshake asked for something that cannot be read. The socket begins anew.
    pub fn complain(&self, failure: Failure) {
        Responder::new(self.link.clone(), None, "connect", &Map::new()).fail(failure);
    }

    pub fn receive(&self, socket: &SocketRef, inbound: &Inbound) {
        let link = self.link.clone();
        match self.flow.judge() {
            Verdict::Take => {}
            Verdict::Refuse(failure) => {
                return Responder::new(link, inbound.ack, &inbound.name(), &Map::new()).fail(failure);
            }
            Verdict::Flood => return link.close("flood"),
        }
        match inbound.read(self.gateway.max_payload, self.gateway.max_depth) {
            Ok(message) => {
                let responder = Responder::new(link, inbound.ack, &message.event, &message.payload);
                carry_out(&self.gateway.hub, self.id, &self.writer, &message, responder);
            }
            Err((event, failure)) => {
                tracing::debug!(socket = %socket.id, event, code = ?failure.code, "request refused");
                Responder::new(link, inbound.ack, &event, &Map::new()).fail(failure);
            }
        }
    }

    /// The socket is gone.
    pub fn leave(&self) {
        if !self.left.swap(true, Ordering::AcqRel) {
            self.link.leave(self.visit);
            self.writer.leave();
            self.gateway.hub.disconnect(self.id);
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Every event that sockets may send. The part before the colon names the rule's prefix.
fn carry_out(hub: &Hub, id: SocketId, writer: &Writer, message: &Message, responder: Responder) {
    match message.event.rsplit_once(':') {
        Some(("presence", "update")) => signal::state(hub, id, &message.payload, responder),
        Some((prefix, "subscribe")) => subscribe::subscribe(hub, id, prefix, &message.payload, responder),
        Some((prefix, "unsubscribe")) => subscribe::unsubscribe(hub, id, prefix, &message.payload, responder),
        Some((_, "typing" | "cursor")) => signal::event(hub, id, &message.event, &message.payload, responder),
        Some((prefix, verb)) if write::is_write(verb) => writer.write(prefix, verb, &message.payload, responder),
        _ => responder.fail(Failure::new(Code::InvalidPayload, format!("there is no event `{}`", message.event))),
    }
}
