use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value};

use super::{link::Link, packet};
use crate::hub::HubError;

/// Why a request failed, in the words of the wire contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    InvalidPayload,
    Forbidden,
    PayloadTooLarge,
    TokenExpired,
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
    link: Arc<Link>,
    event: String,
    ids: Map<String, Value>,
    ack: Option<i64>,
}

impl Responder {
    pub fn new(link: Arc<Link>, ack: Option<i64>, event: &str, payload: &Map<String, Value>) -> Self {
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
        Responder { link, event, ids, ack }
    }

    /// `{ok: true, …}`; nothing where no ack was asked for.
    pub fn succeed(self, mut answer: Map<String, Value>) {
        if let Some(ack) = self.ack {
            answer.insert("ok".into(), true.into());
            self.send(packet::ack(ack, &Value::from(answer).to_string()));
        }
    }

    pub fn fail(self, failure: Failure) {
        let packet = match self.ack {
            Some(ack) => packet::ack(ack, &serde_json::json!({ "ok": false, "error": failure }).to_string()),
            None => {
                let mut error = self.ids.clone();
                error.insert("event".into(), self.event.as_str().into());
                error.insert("code".into(), serde_json::json!(failure.code));
                error.insert("message".into(), failure.message.into());
                packet::event("component:error", &Value::from(error).to_string(), None)
            }
        };
        self.send(packet);
    }

    fn send(&self, packet: bytes::Bytes) {
        // A link that takes nothing any more has nobody at its other end.
        let _ = self.link.send_one(packet);
    }
}
