use serde_json::Value;

use super::{Store, StoreError};

/// What a socket of a server that stops was in.
#[derive(Clone, Debug, PartialEq)]
pub struct SavedSession {
    pub id: String,
    pub user_id: String,
    /// An offset.
    pub began: String,
    /// `[[prefix, room, offset]]`
    pub rooms: Value,
}

impl Store {
    /// Leaves sessions to the next server of a slot, in place of those that were left before.
    pub async fn save_sessions(&self, slot: &str, sessions: &[SavedSession]) -> Result<(), StoreError> {
        let ids: Vec<&str> = sessions.iter().map(|session| session.id.as_str()).collect();
        let users: Vec<&str> = sessions.iter().map(|session| session.user_id.as_str()).collect();
        let began: Vec<&str> = sessions.iter().map(|session| session.began.as_str()).collect();
        let rooms: Vec<&Value> = sessions.iter().map(|session| &session.rooms).collect();
        self.client()
            .await?
            .execute(
                "WITH stale AS (DELETE FROM walcast.sessions WHERE slot_name = $1::text::name AND id <> ALL ($2)) \
                 INSERT INTO walcast.sessions (slot_name, id, user_id, began, rooms) \
                 SELECT $1::text::name, s.id, s.user_id, s.began, s.rooms \
                   FROM unnest($2::text[], $3::text[], $4::text[], $5::jsonb[]) AS s (id, user_id, began, rooms) \
                 ON CONFLICT (slot_name, id) DO UPDATE SET \
                   user_id = excluded.user_id, began = excluded.began, rooms = excluded.rooms",
                &[&slot, &ids, &users, &began, &rooms],
            )
            .await
            .map_err(StoreError::sql("write walcast.sessions"))?;
        Ok(())
    }

    /// Takes out what the last server of a slot left.
    pub async fn take_sessions(&self, slot: &str) -> Result<Vec<SavedSession>, StoreError> {
        let rows = self
            .client()
            .await?
            .query(
                "DELETE FROM walcast.sessions WHERE slot_name = $1::text::name RETURNING id, user_id, began, rooms",
                &[&slot],
            )
            .await
            .map_err(StoreError::sql("read walcast.sessions"))?;
        let saved = |row: &tokio_postgres::Row| SavedSession {
            id: row.get(0),
            user_id: row.get(1),
            began: row.get(2),
            rooms: row.get(3),
        };
        Ok(rows.iter().map(saved).collect())
    }
}
