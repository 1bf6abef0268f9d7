use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::{Map, Value};
use tokio::sync::Mutex;

use super::{
    inbound::kind,
    reply::{Code, Failure, Responder},
    subscribe::{self, LONGEST_ID},
};
use crate::{
    change::{Table, TableName},
    events::{Filter, RowOp},
    hub::{Following, Hub, Interest, SocketId},
    store::{ReadError, Reads},
};

/// The first part of the names of requests and events about tables.
pub const CHANGES: &str = "changes";

/// What tables have for columns, for filters to be held against.
pub struct Tables {
    reads: Reads,
    /// Many sockets come at once with filters on one table: the database is asked once for all of them.
    known: Mutex<HashMap<TableName, Known>>,
}

struct Known {
    since: Instant,
    table: Result<Option<Arc<Table>>, Failure>,
}

/// How long an answer of the database counts.
const FRESH: Duration = Duration::from_secs(1);
/// How many of them are kept.
const MOST: usize = 1_000;

impl Tables {
    pub fn new(reads: Reads) -> Self {
        Tables { reads, known: Mutex::default() }
    }

    /// Whether a filter can be decided on rows of its table. One on a table that is not published is taken: it may be
    /// tomorrow.
    async fn check(&self, interest: &Interest) -> Result<(), Failure> {
        if interest.filter.is_empty() {
            return Ok(());
        }
        match self.find(&interest.table).await? {
            Some(table) => interest.filter.check(&table).map_err(|error| invalid(error.to_string())),
            None => Ok(()),
        }
    }

    async fn find(&self, name: &TableName) -> Result<Option<Arc<Table>>, Failure> {
        let mut known = self.known.lock().await;
        let now = Instant::now();
        if let Some(Known { since, table }) = known.get(name)
            && now.duration_since(*since) < FRESH
        {
            return table.clone();
        }
        let table = self.reads.published(&name.0, &name.1).await.map(|table| table.map(Arc::new)).map_err(failure);
        if known.len() >= MOST {
            known.retain(|_, known| now.duration_since(known.since) < FRESH);
        }
        known.insert(name.clone(), Known { since: Instant::now(), table: table.clone() });
        table
    }
}

fn failure(error: ReadError) -> Failure {
    match error {
        ReadError::Unavailable(message) => Failure::new(Code::Unavailable, message),
        error => {
            tracing::error!(%error, "the columns of a table cannot be looked up");
            Failure::new(Code::Internal, "the table's columns cannot be looked up")
        }
    }
}

/// `changes:subscribe`: the ack says from which offset on everything arrives.
pub fn subscribe(
    hub: &Hub,
    tables: &Arc<Tables>,
    socket: SocketId,
    payload: &Map<String, Value>,
    responder: Responder,
) {
    let (interest, since) = match read(payload).and_then(|interest| Ok((interest, subscribe::since(payload)?))) {
        Ok(read) => read,
        Err(failure) => return responder.fail(failure),
    };
    let (hub, tables) = (hub.clone(), Arc::clone(tables));
    tokio::spawn(async move {
        if let Err(failure) = tables.check(&interest).await {
            return responder.fail(failure);
        }
        let reply = move |outcome: Result<Following, _>| {
            responder.answer(outcome.map(|following| answer(&following)).map_err(Failure::from));
        };
        hub.follow(socket, interest, since, Box::new(reply));
    });
}

/// `changes:unsubscribe`, with what the ack of the subscription called it.
pub fn unsubscribe(hub: &Hub, socket: SocketId, payload: &Map<String, Value>, responder: Responder) {
    let name =
        match text(payload, "subscription").and_then(|name| name.ok_or_else(|| invalid("`subscription` is missing"))) {
            Ok(name) => name.to_owned(),
            Err(failure) => return responder.fail(failure),
        };
    let reply = move |outcome: Result<(), _>| responder.answer(outcome.map(|()| Map::new()).map_err(Failure::from));
    hub.unfollow(socket, name, Box::new(reply));
}

fn answer(following: &Following) -> Map<String, Value> {
    let Following { name, position, resumed } = following;
    Map::from_iter([
        ("subscription".to_owned(), Value::from(&**name)),
        ("offset".to_owned(), position.offset.to_wire(&position.epoch).into()),
        ("resumed".to_owned(), (*resumed).into()),
    ])
}

/// `{schema?, table, event?, filter?}`
fn read(payload: &Map<String, Value>) -> Result<Interest, Failure> {
    let schema = text(payload, "schema")?.unwrap_or("public");
    let table = text(payload, "table")?.ok_or_else(|| invalid("`table` is missing"))?;
    let operation = match text(payload, "event")?.unwrap_or("*") {
        "*" => None,
        event => {
            let operation = RowOp::parse(event);
            Some(
                operation
                    .ok_or_else(|| invalid(format!("`event` is INSERT, UPDATE, DELETE or *, not `{event:.80}`")))?,
            )
        }
    };
    let wrong = |found: &Value| invalid(format!("`filter` is a text, or several in an array, but is {}", kind(found)));
    let conditions: Vec<&str> = match payload.get("filter") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::String(filter)) if filter.trim().is_empty() => Vec::new(),
        Some(Value::String(filter)) => vec![filter],
        Some(Value::Array(filters)) => {
            filters.iter().map(|filter| filter.as_str().ok_or_else(|| wrong(filter))).collect::<Result<_, _>>()?
        }
        Some(other) => return Err(wrong(other)),
    };
    let filter = Filter::parse(conditions).map_err(|error| invalid(error.to_string()))?;
    Ok(Interest::new((schema.into(), table.into()), operation, filter))
}

fn text<'a>(payload: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, Failure> {
    match payload.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Err(invalid(format!("`{name}` is empty"))),
        Some(Value::String(text)) if text.len() > LONGEST_ID => {
            Err(invalid(format!("`{name}` has {} bytes, the limit is {LONGEST_ID}", text.len())))
        }
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(invalid(format!("`{name}` must be a text, but is {}", kind(other)))),
    }
}

fn invalid(message: impl Into<String>) -> Failure {
    Failure::new(Code::InvalidPayload, message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn interest(payload: Value) -> Result<Interest, Failure> {
        let Value::Object(payload) = payload else { panic!("an object") };
        read(&payload)
    }

    #[test]
    fn what_is_asked_in_other_words_is_the_same() {
        let plain = interest(json!({"table": "t"})).expect("an interest");
        for payload in [
            json!({"schema": "public", "table": "t", "event": "*", "filter": null}),
            json!({"table": "t", "filter": ""}),
            json!({"table": "t", "filter": []}),
        ] {
            let same = interest(payload.clone()).expect("an interest");
            assert_eq!((&same, &same.name), (&plain, &plain.name), "{payload}");
        }
        let filtered =
            interest(json!({"table": "t", "event": "update", "filter": "a=eq.1,b=gt.2"})).expect("an interest");
        let same =
            interest(json!({"table": "t", "event": "UPDATE", "filter": ["b=gt.2", "a=eq.1"]})).expect("an interest");
        assert_eq!((&filtered, &filtered.name), (&same, &same.name));
        assert_ne!(filtered.name, plain.name);
        assert_ne!(interest(json!({"schema": "s", "table": "t"})).expect("an interest").name, plain.name);
    }

    #[test]
    fn what_names_no_table_is_refused() {
        for payload in [
            json!({}),
            json!({"table": ""}),
            json!({"table": 1}),
            json!({"table": "x".repeat(2000)}),
            json!({"table": "t", "schema": ["public"]}),
            json!({"table": "t", "event": "TRUNCATE"}),
            json!({"table": "t", "filter": {"a": 1}}),
            json!({"table": "t", "filter": ["a=eq.1", 2]}),
            json!({"table": "t", "filter": "a"}),
        ] {
            let failure = interest(payload.clone()).err().unwrap_or_else(|| panic!("{payload} was taken"));
            assert_eq!(failure.code, Code::InvalidPayload, "{payload}");
        }
    }
}
