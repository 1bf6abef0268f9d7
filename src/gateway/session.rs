use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Map;
use socketioxide::{TransportType, extract::SocketRef};

use super::{
    Gateway,
    inbound::{Inbound, Message},
    outbox::{Queue, SocketOutbox},
    reply::{Code, Failure, Responder},
    subscribe,
};
use crate::{
    auth::Claims,
    events::Room,
    hub::{Hub, Member, Resume, SocketId, User},
};

/// One socket from its handshake to its end.
///
/// It does not hold the socket: the socket's handlers hold the session, and the two would keep each other alive.
pub struct Session {
    gateway: Arc<Gateway>,
    claims: Claims,
    /// What the handshake asked to resume; taken when the socket is opened.
    resume: Mutex<Option<Result<Option<Resume>, Failure>>>,
    queue: Arc<Queue>,
    stage: Mutex<Stage>,
}

enum Stage {
    /// The token was accepted, and the hub does not know the socket yet. What comes now is kept in order.
    Waiting(Vec<(SocketRef, Inbound)>),
    Open(SocketId),
    Closed,
}

impl Session {
    pub fn new(gateway: Arc<Gateway>, claims: Claims, resume: Result<Option<Resume>, Failure>) -> Self {
        let queue = Arc::new(Queue::new(gateway.limits, gateway.connections.clone()));
        Session {
            gateway,
            claims,
            resume: Mutex::new(Some(resume)),
            queue,
            stage: Mutex::new(Stage::Waiting(Vec::new())),
        }
    }

    /// The client is connected: makes it known to the hub, in its user's room, and takes up what it sent meanwhile.
    pub fn open(&self, socket: &SocketRef) {
        let mut stage = self.stage();
        let Stage::Waiting(_) = &*stage else { return };
        let user =
            User { id: self.claims.user_id.as_str().into(), email: self.claims.email.as_deref().map(Into::into) };
        let outbox = SocketOutbox::new(socket.clone(), self.queue.clone());
        let is_websocket = socket.transport_type() == TransportType::Websocket;
        self.gateway.connections.opened(socket.id.as_str(), is_websocket, &socket.req_parts().extensions);
        let own = Room::user(&self.claims.user_id);
        let resume = self.take_resume(socket);
        let waiting = match self.gateway.hub.connect(Member { user, outbox: Box::new(outbox) }, own, resume) {
            Ok(id) => std::mem::replace(&mut *stage, Stage::Open(id)),
            Err(error) => {
                tracing::warn!(socket = %socket.id, %error, "a socket was turned away");
                *stage = Stage::Closed;
                self.queue.close(socket, "the server is busy");
                return;
            }
        };
        if let (Stage::Waiting(waiting), Stage::Open(id)) = (waiting, &*stage) {
            for (socket, inbound) in waiting {
                self.handle(*id, socket, inbound);
            }
        }
    }

    /// A wish that cannot be read is told, and the socket begins anew.
    fn take_resume(&self, socket: &SocketRef) -> Option<Resume> {
        match self.resume.lock().unwrap_or_else(PoisonError::into_inner).take()? {
            Ok(resume) => resume,
            Err(failure) => {
                Responder::new(socket.clone(), self.queue.clone(), None, "connect", &Map::new()).fail(failure);
                None
            }
        }
    }

    pub fn receive(&self, socket: SocketRef, inbound: Inbound) {
        // Held while the request is handed on: two requests of one socket stay in order.
        let mut stage = self.stage();
        match &mut *stage {
            Stage::Waiting(waiting) => waiting.push((socket, inbound)),
            Stage::Open(id) => self.handle(*id, socket, inbound),
            Stage::Closed => {}
        }
    }

    /// The socket is gone.
    pub async fn close(&self, sid: &str) {
        self.gateway.connections.closed(sid);
        let stage = std::mem::replace(&mut *self.stage(), Stage::Closed);
        if let Stage::Open(id) = stage {
            self.gateway.hub.disconnect(id).await;
        }
    }

    fn handle(&self, id: SocketId, socket: SocketRef, inbound: Inbound) {
        let read = inbound.read(self.gateway.max_payload);
        let ack = inbound.ack;
        match read {
            Ok(message) => {
                let responder = Responder::new(socket, self.queue.clone(), ack, &message.event, &message.payload);
                carry_out(&self.gateway.hub, id, &message, responder);
            }
            Err((event, failure)) => Responder::new(socket, self.queue.clone(), ack, &event, &Map::new()).fail(failure),
        }
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Every event that sockets may send. The part before the colon names the rule's prefix.
fn carry_out(hub: &Hub, id: SocketId, message: &Message, responder: Responder) {
    match message.event.rsplit_once(':') {
        Some((prefix, "subscribe")) => subscribe::subscribe(hub, id, prefix, &message.payload, responder),
        Some((prefix, "unsubscribe")) => subscribe::unsubscribe(hub, id, prefix, &message.payload, responder),
        _ => responder.fail(Failure::new(Code::InvalidPayload, format!("there is no event `{}`", message.event))),
    }
}
