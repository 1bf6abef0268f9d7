use serde::{Serialize, Serializer};
use serde_json::Value;

use super::User;
use crate::change::Timestamp;

/// A user in a room, as the others there see them.
#[derive(Clone, Debug, Serialize)]
pub struct Present {
    #[serde(flatten)]
    pub user: User,
    /// When their first socket came.
    #[serde(serialize_with = "displayed")]
    pub since: Timestamp,
    /// What they last said of themselves; a JSON object.
    pub state: Option<Value>,
    #[serde(skip)]
    pub(super) sockets: u32,
    /// What the state takes as JSON, in bytes.
    #[serde(skip)]
    stated: usize,
}

/// What a user without a state takes in a list beside id and email, in bytes.
pub(super) const BARE: usize = 75;

impl Present {
    /// As they come.
    pub(super) fn new(user: User) -> Self {
        Present { user, since: Timestamp::now(), state: None, sockets: 0, stated: 0 }
    }

    pub(super) fn say(&mut self, state: Value) {
        self.stated = state.to_string().len();
        self.state = Some(state);
    }

    /// What they take in a list, in bytes, more or less.
    pub(super) fn size(&self) -> usize {
        BARE + self.user.id.len() + self.user.email.as_ref().map_or(0, |email| email.len()) + self.stated
    }
}

fn displayed<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_size_is_about_what_it_takes() {
        for (id, email, state) in [
            ("a", None, None),
            ("somebody", Some("somebody@example.com"), None),
            ("b", None, Some(serde_json::json!({ "text": "x".repeat(3_000) }))),
        ] {
            let mut present = Present::new(User { id: id.into(), email: email.map(Into::into) });
            if let Some(state) = state {
                present.say(state);
            }
            let takes = serde_json::to_string(&present).expect("JSON").len();
            assert!(present.size().abs_diff(takes) < 16, "{} for {takes}", present.size());
        }
    }
}
