use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use serde_json::Map;
use socketioxide::extract::SocketRef;

use super::{
    Gateway, follow,
    inbound::{Inbound, Message},
    limits::Verdict,
    link::{Link, Visit},
    refresh::{self, Bearer},
    reply::{Code, Failure, Responder},
    signal, subscribe,
    write::{self, Origin, Writer},
};
use crate::{
    auth::Claims,
    events::Room,
    hub::{self, HubError, Member, Outbox, SocketId, User},
    telemetry,
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
    /// Of the last token that it showed.
    bearer: Mutex<Bearer>,
    left: AtomicBool,
}

impl Session {
    pub fn new(gateway: Arc<Gateway>, link: Arc<Link>, visit: Visit, id: SocketId, bearer: Bearer) -> Self {
        let writer = Writer::new(Arc::clone(&gateway.writing));
        let bearer = Mutex::new(bearer);
        Session { gateway, link, visit, id, writer, bearer, left: AtomicBool::new(false) }
    }

    fn bearer(&self) -> Bearer {
        self.bearer.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on the socket is told when its token expires, and ended if it shows no other.
    pub fn watch_token(self: &Arc<Self>) {
        self.gateway.expiries.set(self.id, Arc::downgrade(self), self.bearer().exp);
    }

    /// `auth:refresh {token}`: what the new token says holds from now on.
    fn refresh(self: &Arc<Self>, message: &Message, responder: Responder) {
        let user = &self.bearer().identity.user_id;
        let (bearer, email) = match refresh::read(&self.gateway.verifier, user, &message.payload) {
            Ok(shown) => shown,
            Err(failure) => return responder.fail(failure),
        };
        let answer = Map::from_iter([("expiresAt".to_owned(), refresh::expires_at(bearer.exp))]);
        let claims = Arc::clone(&bearer.identity.claims);
        *self.bearer.lock().unwrap_or_else(PoisonError::into_inner) = bearer;
        self.watch_token();
        telemetry::token("refreshed");
        let reply =
            move |outcome: Result<(), HubError>| responder.answer(outcome.map(|()| answer).map_err(Failure::from));
        self.gateway.hub.refresh(self.id, email, claims, Box::new(reply));
    }

    /// The socket's token has expired.
    pub fn tell_expired(&self) {
        telemetry::token("expired");
        let grace = self.gateway.expiries.grace();
        let message = format!("the token has expired: send auth:refresh with another within {grace:?}");
        let failure = Failure::new(Code::TokenExpired, message);
        Responder::new(self.link.clone(), None, "auth", &Map::new()).fail(failure);
    }

    /// Nor has it shown another by now, in milliseconds since 1970. Its client comes back if it has one.
    pub fn end_expired(&self, now: u64) {
        // It may have been refreshed in this very moment.
        if self.bearer().exp.is_some_and(|exp| exp.saturating_mul(1_000) <= now) {
            telemetry::token("disconnected");
            self.link.turn_away(TOKEN_EXPIRED);
        }
    }

    /// The socket, as the hub sees it.
    pub fn member(claims: &Claims, all: &Arc<str>, link: &Arc<Link>, recovers: bool) -> Member {
        let user = User { id: claims.user_id.as_str().into(), email: claims.email.as_deref().map(Into::into) };
        Member { user, claims: Arc::clone(all), recovers, outbox: link.clone() }
    }

    pub fn own_room(claims: &Claims) -> Room {
        Room::user(&claims.user_id)
    }

    /// The handshake asked for something that cannot be read. The socket begins anew.
    pub fn complain(&self, failure: Failure) {
        Responder::new(self.link.clone(), None, "connect", &Map::new()).fail(failure);
    }

    /// A room that the handshake names does not take the socket: the same as if it had subscribed.
    pub fn refuse(&self, prefix: &str, room: &Room, failure: Failure) {
        Responder::new(self.link.clone(), None, &format!("{prefix}:subscribe"), &hub::ids(room, prefix)).fail(failure);
    }

    pub fn receive(self: &Arc<Self>, socket: &SocketRef, inbound: &Inbound) {
        let link = self.link.clone();
        match self.link.judge() {
            Verdict::Take => {}
            Verdict::Refuse(failure) => {
                return Responder::new(link, inbound.ack, &inbound.name(), &Map::new()).fail(failure);
            }
            Verdict::Flood => return link.close("flood"),
        }
        match inbound.read(self.gateway.max_payload, self.gateway.max_depth) {
            Ok(message) => {
                let responder = Responder::new(link, inbound.ack, &message.event, &message.payload);
                self.carry_out(socket, &message, responder);
            }
            Err((event, failure)) => {
                tracing::debug!(socket = %socket.id, event, code = ?failure.code, "request refused");
                Responder::new(link, inbound.ack, &event, &Map::new()).fail(failure);
            }
        }
    }

    /// Every event that sockets may send. The part before the colon names the rule's prefix.
    fn carry_out(self: &Arc<Self>, socket: &SocketRef, message: &Message, responder: Responder) {
        let hub = &self.gateway.hub;
        match message.event.rsplit_once(':') {
            Some(("presence", "update")) => signal::state(hub, self.id, &message.payload, responder),
            Some((follow::CHANGES, "subscribe")) => {
                follow::subscribe(hub, &self.gateway.tables, self.id, &message.payload, responder);
            }
            Some((follow::CHANGES, "unsubscribe")) => follow::unsubscribe(hub, self.id, &message.payload, responder),
            Some((prefix, "subscribe")) => subscribe::subscribe(hub, self.id, prefix, &message.payload, responder),
            Some((prefix, "unsubscribe")) => subscribe::unsubscribe(hub, self.id, prefix, &message.payload, responder),
            Some(("auth", "refresh")) => self.refresh(message, responder),
            Some((_, "typing" | "cursor")) => {
                signal::event(hub, self.id, &message.event, &message.payload, responder);
            }
            Some((prefix, verb)) if write::is_write(verb) => {
                let origin = Origin { identity: self.bearer().identity, socket: socket.id.to_string() };
                self.writer.write(origin, prefix, verb, &message.payload, responder);
            }
            _ => responder.fail(Failure::new(Code::InvalidPayload, format!("there is no event `{}`", message.event))),
        }
    }

    /// The socket is gone.
    pub fn leave(&self) {
        if !self.left.swap(true, Ordering::AcqRel) {
            self.link.leave(self.visit);
            self.writer.leave();
            self.gateway.expiries.forget(self.id);
            self.gateway.hub.disconnect(self.id);
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.leave();
    }
}

const TOKEN_EXPIRED: &str = "token_expired";
