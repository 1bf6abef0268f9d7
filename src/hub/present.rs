use std::sync::Arc;

use serde::{Serialize, Serializer};
use serde_json::{
    Value,
    value::{RawValue, to_raw_value},
};

use super::User;
use crate::change::Timestamp;

/// A user in a room, as the others there see them. Cheap to clone, and to serialize: whoever comes is told of all.
#[derive(Clone, Debug)]
pub struct Present {
    user: User,
    since: Timestamp,
    state: Option<Value>,
    pub(super) sockets: u32,
    json: Arc<RawValue>,
}

/// How others see them.
#[derive(Serialize)]
struct Seen<'a> {
    #[serde(flatten)]
    user: &'a User,
    #[serde(serialize_with = "displayed")]
    since: Timestamp,
    state: &'a Option<Value>,
}

impl Present {
    /// As they come.
    pub(super) fn new(user: User) -> Self {
        let (since, state) = (Timestamp::now(), None);
        let json = seen(&user, since, &state);
        Present { user, since, state, sockets: 0, json }
    }

    pub fn user(&self) -> &User {
        &self.user
    }

    /// When their first socket came.
    #[cfg(test)]
    pub fn since(&self) -> Timestamp {
        self.since
    }

    /// What they last said of themselves; a JSON object.
    #[cfg(test)]
    pub fn state(&self) -> Option<&Value> {
        self.state.as_ref()
    }

    /// The user is called so from now on.
    pub(super) fn call(&mut self, user: &User) {
        if self.user != *user {
            self.user = user.clone();
            self.json = seen(&self.user, self.since, &self.state);
        }
    }

    pub(super) fn say(&mut self, state: Value) {
        self.state = Some(state);
        self.json = seen(&self.user, self.since, &self.state);
    }

    /// What they take in a list, in bytes.
    pub(super) fn size(&self) -> usize {
        self.json.get().len() + 1
    }
}

impl Serialize for Present {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.json.serialize(serializer)
    }
}

fn seen(user: &User, since: Timestamp, state: &Option<Value>) -> Arc<RawValue> {
    // Texts and a JSON value are always JSON.
    to_raw_value(&Seen { user, since, state }).unwrap_or_else(|_| RawValue::NULL.to_owned()).into()
}

fn displayed<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(at)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn others_see_what_was_said_last() {
        let mut present = Present::new(User { id: "a".into(), email: None });
        let since = present.since().to_string();
        let seen = |present: &Present| serde_json::to_value(present).expect("JSON");
        assert_eq!(seen(&present), json!({ "id": "a", "email": null, "since": since, "state": null }));
        present.say(json!({ "color": "red" }));
        present.call(&User { id: "a".into(), email: Some("a@example.com".into()) });
        let expected = json!({ "id": "a", "email": "a@example.com", "since": since, "state": { "color": "red" } });
        assert_eq!(seen(&present), expected);
        assert_eq!(present.size(), serde_json::to_string(&present).expect("JSON").len() + 1);
    }
}
