use std::{
    borrow::Cow,
    cell::RefCell,
    fmt,
    hash::{BuildHasher, Hash, Hasher, RandomState},
    sync::{Arc, LazyLock},
};

use smallvec::SmallVec;

/// A room by its wire name. Cheap to clone.
///
/// | room | made by |
/// |---|---|
/// | `user:{userId}` | [`Room::user`] |
/// | `{prefix}:{key}` | [`Room::row`] |
/// | `entity:{type}:{id}` | [`Room::entity`] |
///
/// No rule may have `user` or `entity` for its prefix, and no prefix holds a `:`, so the three never meet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// Of the name, under a key of this process: clients name rooms, and none must be able to crowd a table. An event's room
    /// is looked up a dozen times.
    hash: u64,
    name: Arc<str>,
}

impl Hash for Room {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// What a room's name says, unescaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoomParts<'a> {
    User { id: &'a str },
    Row { prefix: &'a str, key: &'a str },
    Entity { entity_type: Cow<'a, str>, id: &'a str },
}

impl Room {
    fn new(name: &str) -> Self {
        static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        Room { hash: KEY.hash_one(name), name: Arc::from(name) }
    }

    /// Of a name in parts, which is put together where the last one was: each event makes rooms.
    fn of(parts: &[&str]) -> Self {
        thread_local!(static NAME: RefCell<String> = const { RefCell::new(String::new()) });
        NAME.with_borrow_mut(|name| {
            name.clear();
            parts.iter().for_each(|part| name.push_str(part));
            Room::new(name)
        })
    }

    /// The private room of a user.
    pub fn user(user_id: &str) -> Self {
        Room::of(&["user:", user_id])
    }

    /// The room of one row. A composite `key` comes from [`join_key`].
    pub fn row(prefix: &str, key: &str) -> Self {
        Room::of(&[prefix, ":", key])
    }

    /// The room of everything that belongs to an entity. `%` and `:` are escaped in the type only.
    pub fn entity(entity_type: &str, entity_id: &str) -> Self {
        Room::of(&["entity:", &escape(entity_type), ":", entity_id])
    }

    /// A room that anybody may ask for, by its wire name: one row's or one entity's.
    pub fn named(name: &str) -> Option<Self> {
        let is_whole = match name.split_once(':')? {
            ("user", _) => false,
            ("entity", rest) => rest.split_once(':').is_some_and(|(kind, id)| !kind.is_empty() && !id.is_empty()),
            (prefix, key) => !prefix.is_empty() && !key.is_empty(),
        };
        is_whole.then(|| Room::new(name))
    }

    /// A room that the database may address, by its wire name: one that anybody may ask for, or a user's.
    pub(super) fn addressed(name: &str) -> Option<Self> {
        match name.strip_prefix("user:") {
            Some("") => None,
            Some(id) => Some(Room::user(id)),
            None => Room::named(name),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// Evenly spread over all numbers, and another in another process.
    pub fn spread(&self) -> u64 {
        self.hash
    }

    /// The same room in memory of its own, which whoever keeps it for long allocates where it stays.
    pub fn copied(&self) -> Self {
        Room { hash: self.hash, name: Arc::from(&*self.name) }
    }

    pub fn parts(&self) -> RoomParts<'_> {
        // The constructors always write a colon; a name without one would be a row's of no key.
        match self.name.split_once(':').unwrap_or((&self.name, "")) {
            ("user", id) => RoomParts::User { id },
            ("entity", rest) => {
                let (entity_type, id) = rest.split_once(':').unwrap_or((rest, ""));
                RoomParts::Entity { entity_type: unescape(entity_type), id }
            }
            (prefix, key) => RoomParts::Row { prefix, key },
        }
    }

    /// Whether this is the room of a row under the prefix.
    pub fn is_row_of(&self, prefix: &str) -> bool {
        self.name.strip_prefix(prefix).is_some_and(|rest| rest.starts_with(':'))
    }

    pub(super) fn is_user(&self) -> bool {
        self.name.starts_with("user:")
    }

    /// Whether this is the room of an entity.
    pub fn is_entity(&self) -> bool {
        self.name.starts_with("entity:")
    }
}

impl fmt::Display for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// The key of a row: a single value as it is, several joined with `:`, each with `%` and `:` escaped as `%25` and `%3A`.
pub fn join_key(values: &[&str]) -> String {
    match values {
        [single] => (*single).to_owned(),
        several => several.iter().map(|value| escape(value)).collect::<Vec<_>>().join(":"),
    }
}

/// The values that [`join_key`] joined, given how many they were; `None` where the key does not hold that many.
pub fn split_key(key: &str, columns: usize) -> Option<SmallVec<[Cow<'_, str>; 2]>> {
    if columns == 1 {
        return Some(SmallVec::from_iter([Cow::Borrowed(key)]));
    }
    let values: SmallVec<_> = key.split(':').map(unescape).collect();
    (values.len() == columns).then_some(values)
}

pub(super) fn escape(text: &str) -> Cow<'_, str> {
    if text.contains(['%', ':']) {
        Cow::Owned(text.replace('%', "%25").replace(':', "%3A"))
    } else {
        Cow::Borrowed(text)
    }
}

fn unescape(text: &str) -> Cow<'_, str> {
    if text.contains('%') { Cow::Owned(text.replace("%3A", ":").replace("%25", "%")) } else { Cow::Borrowed(text) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::events::tests::seeded;

    #[test]
    fn rooms_have_the_names_of_the_protocol() {
        assert_eq!(Room::user("42").as_str(), "user:42");
        assert_eq!(Room::row("component", "7").as_str(), "component:7");
        assert_eq!(Room::entity("page", "123").as_str(), "entity:page:123");
    }

    #[test]
    fn a_colon_in_an_entity_type_cannot_reach_another_entity() {
        assert_ne!(Room::entity("a:b", "c"), Room::entity("a", "b:c"));
        assert_eq!(Room::entity("a:b", "c").as_str(), "entity:a%3Ab:c");
    }

    #[test]
    fn a_composite_key_cannot_be_taken_for_another() {
        assert_ne!(join_key(&["a:b", "c"]), join_key(&["a", "b:c"]));
        assert_eq!(join_key(&["a:b", "50%"]), "a%3Ab:50%25");
        assert_eq!(join_key(&["a:b%"]), "a:b%");
    }

    #[test]
    fn a_key_of_another_number_of_columns_is_refused() {
        assert_eq!(split_key("a:b", 3), None);
        assert_eq!(split_key("a", 2), None);
    }

    proptest! {
        #![proptest_config(seeded(256))]

        #[test]
        fn a_room_gives_its_parts_back(kind in "[%:a3A25]{0,8}", id in "[%:a3A25]{0,8}") {
            let entity = Room::entity(&kind, &id);
            prop_assert_eq!(entity.parts(), RoomParts::Entity { entity_type: kind.as_str().into(), id: &id });
            let row = Room::row("component", &id);
            prop_assert_eq!(row.parts(), RoomParts::Row { prefix: "component", key: &id });
            let user = Room::user(&id);
            prop_assert_eq!(user.parts(), RoomParts::User { id: &id });
        }

        #[test]
        fn a_key_gives_its_values_back(values in prop::collection::vec("[%:a3A25]{0,6}", 1..4)) {
            let borrowed: Vec<_> = values.iter().map(String::as_str).collect();
            let key = join_key(&borrowed);
            let split = split_key(&key, values.len()).expect("as many as were joined");
            prop_assert_eq!(split.to_vec(), borrowed);
        }
    }
}
