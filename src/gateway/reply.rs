use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value, value::RawValue};
use socketioxide::extract::SocketRef;

use super::{
    inbound::Ack,
    outbox::{Item, Queue},
};
use crate::hub::{Frame, HubError};

/// Why a request failed, in the words of the wire contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    InvalidPayload,
    PayloadTooLarge,
    Unavailable,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    pub code: Code,
    pub message: String,
}

impl Failure {
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Failure { code, message: message.into() }
    }
}

impl From<HubError> for Failure {
    fn from(error: HubError) -> Self {
        Failure::new(Code::Unavailable, error.to_string())
    }
}

/// The ids that a failure is told with, where the request carried them.
const IDS: [&str; 6] = ["componentId", "entityType", "entityId", "rowId", "nestedComponentId", "id"];
/// A failure does not send back what is too long to be an id.
const LONGEST_ID: usize = 256;

/// Answers one request: by its ack, or, where the client asked for none, with `component:error` if it failed.
pub struct Responder {
    socket: SocketRef,
    queue: Arc<Queue>,
    event: String,
    ids: Map<String, Value>,
    ack: Option<Ack>,
}

impl Responder {
    pub fn new(
        socket: SocketRef,
        queue: Arc<Queue>,
        ack: Option<Ack>,
        event: &str,
        payload: &Map<String, Value>,
    ) -> Self {
        let is_id = |value: &Value| match value {
            Value::String(text) => text.len() <= LONGEST_ID,
            Value::Number(_) => true,
            _ => false,
        };
        let ids = IDS
            .iter()
            .filter_map(|key| Some(((*key).to_owned(), payload.get(*key).filter(|value| is_id(value))?.clone())))
            .collect();
        let event: String = event.chars().take(LONGEST_ID).collect();
        Responder { socket, queue, event, ids, ack }
    }

    /// `{ok: true, …}`; nothing where no ack was asked for.
    pub fn succeed(self, mut answer: Map<String, Value>) {
        if let Some(ack) = self.ack {
            answer.insert("ok".into(), true.into());
            send(&self.socket, &self.queue, &answer, |body| Item::Ack(ack, body));
        }
    }

    pub fn fail(self, failure: Failure) {
        tracing::debug!(socket = %self.socket.id, event = self.event, code = ?failure.code, "request refused");
        match self.ack {
            Some(ack) => {
                let answer = serde_json::json!({ "ok": false, "error": failure });
                send(&self.socket, &self.queue, &answer, |body| Item::Ack(ack, body));
            }
            None => {
                let mut error = self.ids;
                error.insert("event".into(), self.event.into());
                error.insert("code".into(), serde_json::json!(failure.code));
                error.insert("message".into(), failure.message.into());
                send(&self.socket, &self.queue, &error, |body| {
                    Item::Event(Frame { event: "component:error".into(), payload: body.into() })
                });
            }
        }
    }
}

fn send(socket: &SocketRef, queue: &Arc<Queue>, body: &impl Serialize, item: impl FnOnce(Box<RawValue>) -> Item) {
    match serde_json::value::to_raw_value(body) {
        // A closed queue has begun to disconnect its socket: there is nobody to answer.
        Ok(body) => drop(queue.send(socket, item(body))),
        Err(error) => tracing::error!(%error, "an answer was not encoded as JSON"),
    }
}
