use std::sync::Arc;

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::{link::Link, packet};
use crate::{hub::HubError, telemetry};

/// Why a request failed, in the words of the wire contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    InvalidPayload,
    NotFound,
    Forbidden,
    Conflict,
    RoomFull,
    RateLimited,
    PayloadTooLarge,
    TokenExpired,
    Unavailable,
    Internal,
}

impl Code {
    pub fn as_str(self) -> &'static str {
        match self {
            Code::InvalidPayload => "invalid_payload",
            Code::NotFound => "not_found",
            Code::Forbidden => "forbidden",
            Code::Conflict => "conflict",
            Code::RoomFull => "room_full",
            Code::RateLimited => "rate_limited",
            Code::PayloadTooLarge => "payload_too_large",
            Code::TokenExpired => "token_expired",
            Code::Unavailable => "unavailable",
            Code::Internal => "internal",
        }
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    pub code: Code,
    pub message: String,
    /// What else is told of it.
    #[serde(flatten)]
    pub details: Map<String, Value>,
    /// As what it is counted, where the code says too little.
    #[serde(skip)]
    counted_as: Option<&'static str>,
}

impl Failure {
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Failure { code, message: message.into(), details: Map::new(), counted_as: None }
    }

    /// Of a limit that has no code of its own.
    pub fn counted_as(self, limit: &'static str) -> Self {
        Failure { counted_as: Some(limit), ..self }
    }

    pub fn with(mut self, name: &str, value: Value) -> Self {
        self.details.insert(name.into(), value);
        self
    }
}

impl From<HubError> for Failure {
    fn from(error: HubError) -> Self {
        let code = match error {
            HubError::Gone | HubError::Busy | HubError::Stopping | HubError::Unanswered => Code::Unavailable,
            HubError::NotVisible => Code::NotFound,
            HubError::NotInRoom | HubError::TooManyRooms(_) | HubError::TooManySockets(_) => Code::Forbidden,
            HubError::RoomFull(_) => Code::RoomFull,
        };
        let failure = Failure::new(code, error.to_string());
        match error {
            HubError::TooManyRooms(_) => failure.counted_as("too_many_rooms"),
            _ => failure,
        }
    }
}

/// The ids that a failure is told with, where the request carried them; the key of the row, by the prefix of the event, too.
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
        let row_key = event.rsplit_once(':').map(|(prefix, _)| format!("{prefix}Id"));
        let ids = IDS
            .into_iter()
            .chain(row_key.as_deref())
            .filter_map(|key| Some((key.to_owned(), payload.get(key).filter(|value| is_id(value))?.clone())))
            .collect();
        let event: String = event.chars().take(LONGEST_ID).collect();
        Responder { link, event, ids, ack }
    }

    /// Succeeds or fails.
    pub fn answer(self, outcome: Result<Map<String, Value>, Failure>) {
        match outcome {
            Ok(answer) => self.succeed(answer),
            Err(failure) => self.fail(failure),
        }
    }

    /// `{ok: true, …}`; nothing where no ack was asked for.
    pub fn succeed(self, mut answer: Map<String, Value>) {
        answer.insert("ok".into(), true.into());
        self.succeed_with(&Value::from(answer).to_string());
    }

    /// The same with an answer that is JSON already, `ok` included.
    pub fn succeed_with(self, answer: &str) {
        if let Some(ack) = self.ack {
            self.send(packet::ack(ack, answer));
        }
    }

    /// What the client holds of these ids may be stale.
    pub fn resync(&self, prefix: &str, mut ids: Map<String, Value>, reason: &str) {
        ids.insert("reason".into(), reason.into());
        self.send(packet::event(&format!("{prefix}:resync"), &Value::from(ids).to_string(), None));
    }

    pub fn fail(self, failure: Failure) {
        telemetry::refused(failure.counted_as.unwrap_or(failure.code.as_str()));
        let packet = match self.ack {
            Some(ack) => packet::ack(ack, &serde_json::json!({ "ok": false, "error": failure }).to_string()),
            None => {
                let mut error = failure.details;
                error.extend(self.ids.clone());
                error.insert("event".into(), self.event.as_str().into());
                error.insert("code".into(), failure.code.as_str().into());
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
