//! What changed between two versions of a document `[{"id": rowId, …, "<children>": [{"id": …}, …]}, …]`, told as
//! nested components that went, changed or came.
//!
//! Who hears the changes applies them to a copy, so they are told only where they say everything:
//!
//! | change | what it does to the copy |
//! |---|---|
//! | went | removes the nested component from its row, by id |
//! | changed | sets the named members of the nested component; `null` removes one |
//! | came | appends the nested component to its row's, making that array if the row has none |
//!
//! **Applying the changes, in order, to the old document gives the new one.** Where they cannot, [`diff`] gives `None`,
//! and the whole new document has to be sent. Values are compared and passed on as the text they are.

use std::{borrow::Cow, collections::HashMap, collections::HashSet, fmt, hash::Hash};

use bytestring::ByteString;
use indexmap::IndexMap;
use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor},
};
use serde_json::value::RawValue;

/// Every text here is JSON and shares the memory of the document it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NestedChange {
    Went { row: ByteString, id: ByteString },
    Changed { row: ByteString, id: ByteString, updates: Vec<Member> },
    Came { row: ByteString, component: ByteString },
}

/// A member's name, unescaped, and its new value; `None`: it is gone.
pub(super) type Member = (String, Option<ByteString>);

/// The changes from `old` to `new`, first what went, then what changed, then what came; `None` where they would not
/// say everything.
pub(super) fn diff(old: &ByteString, new: &ByteString, children: &str) -> Option<Vec<NestedChange>> {
    let documents = Documents { old, new };
    let old_rows: Vec<&RawValue> = serde_json::from_str(old).ok()?;
    let new_rows: Vec<&RawValue> = serde_json::from_str(new).ok()?;
    if old_rows.len() != new_rows.len() {
        return None;
    }
    let mut changes = Changes::default();
    let mut seen = HashSet::with_capacity(old_rows.len());
    for (old_row, new_row) in old_rows.into_iter().zip(new_rows) {
        let row = identify(old_row)?;
        if !seen.insert(row.id.clone()) {
            return None;
        }
        if old_row.get() != new_row.get() {
            documents.diff_row(&row, old_row, new_row, children, &mut changes)?;
        }
    }
    // What moves to another row goes before it comes.
    let Changes { mut went, changed, came } = changes;
    went.extend(changed);
    went.extend(came);
    Some(went)
}

#[derive(Default)]
struct Changes {
    went: Vec<NestedChange>,
    changed: Vec<NestedChange>,
    came: Vec<NestedChange>,
}

#[derive(Clone, Copy)]
struct Documents<'a> {
    old: &'a ByteString,
    new: &'a ByteString,
}

/// A row or a nested component: what it is found by, and that as it is written.
struct Identified<'a> {
    id: Id<'a>,
    written: &'a RawValue,
    whole: &'a RawValue,
}

/// Ids as a browser tells them apart: numbers by their value as a double.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Id<'a> {
    String(Cow<'a, str>),
    Number(u64),
}

impl<'a> Documents<'a> {
    fn diff_row(
        self,
        row: &Identified<'a>,
        old_row: &'a RawValue,
        new_row: &'a RawValue,
        children: &str,
        changes: &mut Changes,
    ) -> Option<()> {
        let (mut old_members, mut new_members) = (members(old_row)?, members(new_row)?);
        let old_children = old_members.swap_remove(children);
        let new_children = new_members.swap_remove(children);
        // The row's own id is among the members, so it stays the same, to the letter.
        let same = |(name, value): (&Cow<'_, str>, &&RawValue)| {
            new_members.get(name).is_some_and(|new| new.get() == value.get())
        };
        if old_members.len() != new_members.len() || !old_members.iter().all(same) {
            return None;
        }
        match (old_children, new_children) {
            (None, None) => Some(()),
            (Some(old), Some(new)) if old.get() == new.get() => Some(()),
            (Some(old), Some(new)) => self.diff_children(row, list(old)?, list(new)?, changes),
            (None, Some(new)) => {
                let new = list(new)?;
                // An array that is there but empty: nothing comes that would make it.
                if new.is_empty() { None } else { self.diff_children(row, Vec::new(), new, changes) }
            }
            (Some(_), None) => None,
        }
    }

    fn diff_children(
        self,
        row: &Identified<'a>,
        old: Vec<Identified<'a>>,
        new: Vec<Identified<'a>>,
        changes: &mut Changes,
    ) -> Option<()> {
        let row = || self.old.slice_ref(row.written.get());
        let kept: HashMap<&Id<'_>, &Identified<'_>> = new.iter().map(|child| (&child.id, child)).collect();
        let mut stay = Vec::with_capacity(old.len());
        for child in &old {
            match kept.get(&child.id) {
                Some(_) => stay.push(child),
                None => {
                    changes.went.push(NestedChange::Went { row: row(), id: self.old.slice_ref(child.written.get()) })
                }
            }
        }
        let (still, came) = new.split_at_checked(stay.len())?;
        for (before, after) in stay.into_iter().zip(still) {
            if before.id != after.id {
                return None;
            }
            if before.whole.get() == after.whole.get() {
                continue;
            }
            let updates = self.updates(before.whole, after.whole)?;
            if !updates.is_empty() {
                let id = self.old.slice_ref(before.written.get());
                changes.changed.push(NestedChange::Changed { row: row(), id, updates });
            }
        }
        changes.came.extend(
            came.iter()
                .map(|child| NestedChange::Came { row: row(), component: self.new.slice_ref(child.whole.get()) }),
        );
        Some(())
    }

    /// The members that differ; `None` where one became null, which would be taken for gone.
    fn updates(self, before: &RawValue, after: &RawValue) -> Option<Vec<Member>> {
        let (before, after) = (members(before)?, members(after)?);
        let mut updates = Vec::new();
        for (name, value) in &after {
            if before.get(name).is_some_and(|old| old.get() == value.get()) {
                continue;
            }
            if value.get() == "null" {
                return None;
            }
            updates.push((name.clone().into_owned(), Some(self.new.slice_ref(value.get()))));
        }
        let gone = before.keys().filter(|name| !after.contains_key(*name));
        updates.extend(gone.map(|name| (name.clone().into_owned(), None)));
        Some(updates)
    }
}

/// An array of objects with ids, each id once.
fn list(raw: &RawValue) -> Option<Vec<Identified<'_>>> {
    let elements: Vec<&RawValue> = serde_json::from_str(raw.get()).ok()?;
    let list = elements.into_iter().map(identify).collect::<Option<Vec<_>>>()?;
    let unique: HashSet<_> = list.iter().map(|child| &child.id).collect();
    (unique.len() == list.len()).then_some(list)
}

fn identify(whole: &RawValue) -> Option<Identified<'_>> {
    /// Only the id is kept; a second one is an error.
    #[derive(Deserialize)]
    struct OnlyId<'a> {
        #[serde(borrow)]
        id: &'a RawValue,
    }
    // serde would also read a struct from an array.
    if !whole.get().starts_with('{') {
        return None;
    }
    let written = serde_json::from_str::<OnlyId<'_>>(whole.get()).ok()?.id;
    let id = match written.get().bytes().next()? {
        b'"' => Id::String(serde_json::from_str::<Name<'_>>(written.get()).ok()?.0),
        b'-' | b'0'..=b'9' => {
            let number: f64 = written.get().parse().ok()?;
            // Adding zero makes -0 and 0 one.
            if number.is_finite() { Id::Number((number + 0.0).to_bits()) } else { return None }
        }
        _ => return None,
    };
    Some(Identified { id, written, whole })
}

/// The members of an object; `None` where it is no object or holds a name twice.
fn members(raw: &RawValue) -> Option<IndexMap<Cow<'_, str>, &RawValue>> {
    serde_json::from_str::<Members<'_>>(raw.get()).ok().map(|members| members.0)
}

/// A string, borrowed where it holds no escapes.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

struct Members<'a>(IndexMap<Cow<'a, str>, &'a RawValue>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object that holds no name twice")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = IndexMap::new();
                while let Some((Name(name), value)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
                    if members.insert(name, value).is_some() {
                        return Err(A::Error::custom("a name stands twice"));
                    }
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

#[cfg(test)]
#[path = "nested_tests.rs"]
mod tests;
