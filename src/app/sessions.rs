use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::{
    events::{Epoch, Filter, Offset, Room, RowOp},
    hub::{Followed, Hub, Interest, Session, SessionId},
    store::{SavedSession, Store},
};

/// How long the database may take over it: clients that cannot resume are told to fetch, which is no loss.
const PATIENCE: Duration = Duration::from_secs(2);
/// Who was in more rooms, or followed more tables, than this fetches again.
const MOST_ROOMS: usize = 1_000;

/// Leaves what the sockets are in to the next server. From now on the hub lets nobody in anywhere.
pub async fn hand_over(hub: &Hub, store: &Store, slot: &str) {
    let (sender, sessions) = oneshot::channel();
    hub.farewell(Box::new(move |sessions| drop(sender.send(sessions))));
    let saving = async {
        let Ok(Ok((epoch, sessions))) = sessions.await else { return };
        let sessions: Vec<SavedSession> = sessions.iter().filter_map(|session| to_saved(session, &epoch)).collect();
        match store.save_sessions(slot, &sessions).await {
            Ok(()) => tracing::debug!(sessions = sessions.len(), "sessions handed over"),
            Err(error) => tracing::warn!(%error, "sessions were not handed over: their clients will be told to fetch"),
        }
    };
    if tokio::time::timeout(PATIENCE, saving).await.is_err() {
        tracing::warn!("the database did not take the sessions in time: their clients will be told to fetch");
    }
}

/// What the last server of the slot left. That it left nothing is as good as an error.
pub async fn take_over(store: &Store, slot: &str) -> Vec<Session> {
    match store.take_sessions(slot).await {
        Ok(saved) => saved.iter().filter_map(to_session).collect(),
        Err(error) => {
            tracing::warn!(%error, "the last server's sessions were not taken over: their clients will be told to fetch");
            Vec::new()
        }
    }
}

fn to_saved(session: &Session, epoch: &Epoch) -> Option<SavedSession> {
    if session.rooms.len() + session.tables.len() > MOST_ROOMS {
        return None;
    }
    let room = |(prefix, room, since): &(bytestring::ByteString, Room, Offset)| {
        json!([&**prefix, room.as_str(), since.to_wire(epoch)])
    };
    let table = |Followed { interest, since }: &Followed| {
        json!({
            "schema": &*interest.table.0,
            "table": &*interest.table.1,
            "event": interest.operation.map(RowOp::as_str),
            "filter": interest.filter.to_string(),
            "since": since.to_wire(epoch),
        })
    };
    let rooms = session.rooms.iter().map(room).chain(session.tables.iter().map(table)).collect();
    Some(SavedSession {
        id: session.id.to_string(),
        user_id: session.user.to_string(),
        began: session.began.to_wire(epoch),
        rooms,
    })
}

/// `None`: another version wrote it.
fn to_session(saved: &SavedSession) -> Option<Session> {
    let room = |room: &Value| {
        let text = |at: usize| room.get(at)?.as_str();
        let (_, since) = Offset::parse_wire(text(2)?).ok()?;
        Some((text(0)?.into(), Room::named(text(1)?)?, since))
    };
    let table = |table: &Value| {
        let text = |name: &str| table.get(name)?.as_str();
        let (_, since) = Offset::parse_wire(text("since")?).ok()?;
        let operation = match table.get("event")? {
            Value::Null => None,
            event => Some(RowOp::parse(event.as_str()?)?),
        };
        let filter = Filter::parse(text("filter").filter(|filter| !filter.is_empty())).ok()?;
        let interest = Interest::new((text("schema")?.into(), text("table")?.into()), operation, filter);
        Some(Followed { interest, since })
    };
    let (tables, rooms): (Vec<&Value>, Vec<&Value>) =
        saved.rooms.as_array()?.iter().partition(|saved| saved.is_object());
    let rooms = rooms.into_iter().map(room).collect::<Option<_>>()?;
    let tables = tables.into_iter().map(table).collect::<Option<_>>()?;
    let (_, began) = Offset::parse_wire(&saved.began).ok()?;
    Some(Session { id: SessionId::parse(&saved.id)?, user: saved.user_id.as_str().into(), began, rooms, tables })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::Lsn;

    #[test]
    fn a_session_is_taken_over_as_it_was_left() {
        let since = Offset { lsn: Lsn(0x16_B374_D848), n: 3 };
        let rooms = vec![
            ("component".into(), Room::row("component", "x"), since),
            ("order".into(), Room::entity("com:pany", "7"), since),
        ];
        let interest = |operation, filter: &[&str]| {
            let filter = Filter::parse(filter.iter().copied()).expect("a filter");
            Interest::new(("public".into(), "t".into()), operation, filter)
        };
        let tables = vec![
            Followed { interest: interest(None, &[]), since },
            Followed { interest: interest(Some(RowOp::Delete), &["a=in.(1,\"2,3\")", "b=is.null"]), since },
        ];
        let session = Session { id: SessionId::random(), user: "ann".into(), began: since, rooms, tables };
        let saved = to_saved(&session, &Epoch::new("e")).expect("it is small enough");
        assert_eq!(to_session(&saved), Some(session));
    }

    #[test]
    fn what_another_version_left_is_no_session() {
        let id = SessionId::random().to_string();
        for rooms in [
            json!({}),
            json!([["component"]]),
            json!([["component", "x", "e/1"]]),
            json!([null]),
            json!([{"table": "t"}]),
        ] {
            let saved =
                SavedSession { id: id.clone(), user_id: "ann".into(), began: "e/1-1".into(), rooms: rooms.clone() };
            assert_eq!(to_session(&saved), None, "{rooms}");
        }
        let (id, rooms) = ("Zq1DxS0bGpm6OgEXAAAB".into(), json!([]));
        let saved =
            SavedSession { id, user_id: "ann".into(), began: Offset::default().to_wire(&Epoch::new("e")), rooms };
        assert_eq!(to_session(&saved), None, "no walcast names one so");
    }
}
