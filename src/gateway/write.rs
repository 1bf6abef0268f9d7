use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use serde_json::{Map, Value, value::RawValue};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    inbound::kind,
    order::Order,
    reply::{Code, Failure, Responder},
    subscribe::{LONGEST_PREFIX, id},
};
use crate::store::{Action, Identity, Values, Write, WriteError, Writes, Written};

/// What writes of all sockets share.
pub struct Writing {
    pub writes: Writes,
    /// How many writes of one socket may wait.
    pub queue: usize,
    pub tracker: TaskTracker,
    /// The server stops: what has not begun does not begin any more.
    pub stopping: CancellationToken,
}

/// One socket's way to write.
pub struct Writer {
    writing: Arc<Writing>,
    /// From its first write on: most only listen.
    order: OnceLock<Arc<Order>>,
}

/// Who asks for a write.
pub struct Origin {
    pub identity: Arc<Identity>,
    /// The socket's name in the log.
    pub socket: String,
}

/// Whether an event of this name asks for a write.
pub fn is_write(verb: &str) -> bool {
    matches!(verb, "create" | "update" | "delete" | "nested-create" | "nested-update" | "nested-delete")
}

impl Writer {
    pub fn new(writing: Arc<Writing>) -> Self {
        Writer { writing, order: OnceLock::new() }
    }

    /// `component:update` and its siblings. Writes of one row are carried out in the order in which they were sent.
    pub fn write(
        &self,
        Origin { identity, socket }: Origin,
        prefix: &str,
        verb: &str,
        payload: &Map<String, Value>,
        responder: Responder,
    ) {
        let (action, mutation) = match read(prefix, verb, payload) {
            Ok(read) => read,
            Err(failure) => return responder.fail(failure),
        };
        let write = Write { identity, socket, prefix: prefix.to_owned(), action, mutation };
        let order = self.order.get_or_init(|| Order::new(self.writing.queue));
        if order.is_full() {
            let message = format!("{} writes of this socket wait already: await their acks", self.writing.queue);
            return responder.fail(Failure::new(Code::Unavailable, message));
        }
        let (lane, writing) = (lane(&write), Arc::clone(&self.writing));
        order.put(lane, &self.writing.tracker, async move {
            if writing.stopping.is_cancelled() {
                return responder.fail(Failure::new(Code::Unavailable, "the server is stopping: connect again"));
            }
            let outcome = writing.writes.carry_out(&write).await;
            answer(&write, outcome, responder);
        });
    }

    /// The socket is gone: what has begun is finished.
    pub fn leave(&self) {
        if let Some(order) = self.order.get() {
            order.clear();
        }
    }
}

fn answer(write: &Write, outcome: Result<Written, WriteError>, responder: Responder) {
    match outcome.map(|written| to_answer(write, written)) {
        Ok(Ok(answer)) => responder.succeed_with(&answer),
        Ok(Err(error)) => {
            tracing::error!(%error, "a write was carried out, and its answer cannot be told: report it");
            responder.fail(Failure::new(
                Code::Internal,
                "it was written, and what became of it cannot be told: read it again",
            ));
        }
        Err(error) => {
            match &error {
                WriteError::Internal(what) => tracing::error!(prefix = write.prefix, what, "a write failed"),
                // Why, in words, may quote what was to be written.
                error => tracing::debug!(prefix = write.prefix, code = error.name(), "a write was refused"),
            }
            // Should it stand after all, its own socket will not be told.
            if let WriteError::Unavailable { is_unknown: true, .. } = error {
                responder.resync(&write.prefix, ids(write), "unknown outcome");
            }
            responder.fail(to_failure(error));
        }
    }
}

/// What the room of the write is asked for by.
fn ids(write: &Write) -> Map<String, Value> {
    let pairs: Vec<(String, Value)> = match &write.action {
        Action::Create { entity, .. } => {
            let names = ["entityType", "entityId"].map(str::to_owned);
            names
                .into_iter()
                .zip(entity.iter().flat_map(|(kind, id)| [kind.as_str().into(), id.as_str().into()]))
                .collect()
        }
        Action::Update { id, .. }
        | Action::Delete { id, .. }
        | Action::NestedCreate { id, .. }
        | Action::NestedUpdate { id, .. }
        | Action::NestedDelete { id, .. } => {
            vec![(format!("{}Id", write.prefix), id.as_str().into()), ("id".into(), id.as_str().into())]
        }
    };
    pairs.into_iter().collect()
}

fn to_failure(error: WriteError) -> Failure {
    match error {
        WriteError::Invalid(message) => Failure::new(Code::InvalidPayload, message),
        WriteError::NotFound(message) => Failure::new(Code::NotFound, message),
        WriteError::Forbidden(message) => Failure::new(Code::Forbidden, message),
        WriteError::Conflict { message, current } => {
            let current = serde_json::from_str(&current).unwrap_or_default();
            Failure::new(Code::Conflict, message).with("current", current)
        }
        WriteError::Unavailable { message, .. } => Failure::new(Code::Unavailable, message),
        // What went wrong is for the log.
        WriteError::Internal(_) => {
            Failure::new(Code::Internal, "the write failed by a fault of the server, and nothing was written")
        }
    }
}

fn to_answer(write: &Write, written: Written) -> Result<String, serde_json::Error> {
    let mut members: BTreeMap<String, Box<RawValue>> = BTreeMap::new();
    let mut put = |name: &str, value: String| -> Result<(), serde_json::Error> {
        members.insert(name.to_owned(), RawValue::from_string(value)?);
        Ok(())
    };
    put("ok", "true".to_owned())?;
    if let Some(version) = written.version {
        put("version", version.to_string())?;
    }
    if let Some(id) = written.id {
        let name = match write.action {
            Action::NestedCreate { .. } => "nestedComponentId".to_owned(),
            _ => format!("{}Id", write.prefix),
        };
        put(&name, id.get().to_owned())?;
    }
    if !written.updates.is_empty() {
        put("updates", serde_json::to_string(&written.updates)?)?;
    }
    serde_json::to_string(&members)
}

/// Writes of one lane are carried out one after the other. What is created has no id yet.
fn lane(write: &Write) -> String {
    let prefix = &write.prefix;
    match &write.action {
        Action::Create { entity: Some((kind, id)), .. } => format!("entity {kind}:{id}"),
        Action::Create { entity: None, .. } => format!("table {prefix}"),
        Action::Update { id, .. }
        | Action::Delete { id, .. }
        | Action::NestedCreate { id, .. }
        | Action::NestedUpdate { id, .. }
        | Action::NestedDelete { id, .. } => format!("row {prefix}:{id}"),
    }
}

/// What a payload asks for, and by which name.
fn read(prefix: &str, verb: &str, payload: &Map<String, Value>) -> Result<(Action, Option<String>), Failure> {
    if prefix.is_empty() || prefix.len() > LONGEST_PREFIX {
        return Err(invalid(format!("a prefix has 1 to {LONGEST_PREFIX} bytes")));
    }
    let mutation = match payload.get("mutationId") {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) if (1..=LONGEST_MUTATION).contains(&text.len()) => Some(text.clone()),
        Some(_) => return Err(invalid(format!("`mutationId` must be a text of 1 to {LONGEST_MUTATION} bytes"))),
    };
    let row_key = format!("{prefix}Id");
    let needed = |key: &str| id(payload, key)?.ok_or_else(|| invalid(format!("{key} is missing")));
    let row_id = || match id(payload, &row_key)? {
        Some(found) => Ok(found),
        None => id(payload, "id")?.ok_or_else(|| invalid(format!("{row_key} is missing"))),
    };
    let action = match verb {
        "create" => {
            let entity = match (id(payload, "entityType")?, id(payload, "entityId")?) {
                (None, None) => None,
                (Some(kind), Some(id)) => Some((kind, id)),
                (None, Some(_)) => return Err(invalid("entityType is missing")),
                (Some(_), None) => return Err(invalid("entityId is missing")),
            };
            Action::Create { entity, values: object(payload, prefix)? }
        }
        "update" => Action::Update { id: row_id()?, updates: object(payload, "updates")?, version: version(payload)? },
        "delete" => Action::Delete { id: row_id()?, version: version(payload)? },
        "nested-create" => {
            Action::NestedCreate { id: row_id()?, row: needed("rowId")?, nested: object(payload, "nestedComponent")? }
        }
        "nested-update" => Action::NestedUpdate {
            id: row_id()?,
            row: needed("rowId")?,
            nested: needed("nestedComponentId")?,
            updates: object(payload, "updates")?,
            version: version(payload)?,
        },
        _ => Action::NestedDelete {
            id: row_id()?,
            row: needed("rowId")?,
            nested: needed("nestedComponentId")?,
            version: version(payload)?,
        },
    };
    Ok((action, mutation))
}

const LONGEST_MUTATION: usize = 128;

fn object(payload: &Map<String, Value>, key: &str) -> Result<Values, Failure> {
    match payload.get(key) {
        Some(Value::Object(values)) => Ok(values.clone()),
        None => Err(invalid(format!("`{key}` is missing"))),
        Some(other) => Err(invalid(format!("`{key}` must be an object, but is {}", kind(other)))),
    }
}

/// The version that the client believes to edit: a whole number, or its digits.
fn version(payload: &Map<String, Value>) -> Result<Option<i64>, Failure> {
    let found = match payload.get("version") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Number(number)) => number.as_i64(),
        Some(Value::String(digits)) => digits.parse().ok(),
        Some(_) => None,
    };
    found.map(Some).ok_or_else(|| invalid("`version` must be a whole number"))
}

fn invalid(message: impl Into<String>) -> Failure {
    Failure::new(Code::InvalidPayload, message)
}
