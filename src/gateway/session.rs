use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Map;
use socketioxide::extract::{AckSender, SocketRef};

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
    Waiting(Vec<(SocketRef, Inbound, AckSender)>),
    Open(SocketId),
    Closed,
}

impl Session {
    pub fn new(gateway: Arc<Gateway>, claims: Claims, resume: Result<Option<Resume>, Failure>) -> Self {
        let queue = Arc::new(Queue::new(gateway.limits));
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
            for (socket, inbound, ack) in waiting {
                self.handle(*id, socket, &inbound, ack);
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

    pub fn receive(&self, socket: SocketRef, inbound: Inbound, ack: AckSender) {
        // Held while the request is handed on: two requests of one socket stay in order.
        let mut stage = self.stage();
        match &mut *stage {
            Stage::Waiting(waiting) => waiting.push((socket, inbound, ack)),
            Stage::Open(id) => self.handle(*id, socket, &inbound, ack),
            Stage::Closed => {}
        }
    }

    pub async fn close(&self) {
        let stage = std::mem::replace(&mut *self.stage(), Stage::Closed);
        if let Stage::Open(id) = stage {
            self.gateway.hub.disconnect(id).await;
        }
    }

    fn handle(&self, id: SocketId, socket: SocketRef, inbound: &Inbound, ack: AckSender) {
        let ack = inbound.wants_ack.then_some(ack);
        match inbound.read(self.gateway.max_payload) {
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
