use std::{
    collections::HashMap,
    mem::{Discriminant, discriminant},
};

use tracing::{error, warn};

use crate::{
    change::TableName,
    decode::{DecodeError, Fault},
};

/// The frames of one connection that could not be decoded and were passed over, by table and kind of fault.
///
/// The first of a kind is logged with its position and all that is known, the others are counted: a table of a million
/// bad rows makes one line, and another with their number when the connection ends.
#[derive(Default)]
pub(super) struct Unreadable {
    counts: HashMap<(Option<TableName>, Discriminant<Fault>), u64>,
}

impl Unreadable {
    pub(super) fn note(&mut self, error: &DecodeError) {
        let count = self.counts.entry((error.table().cloned(), discriminant(error.fault()))).or_default();
        *count += 1;
        if *count == 1 {
            error!(lsn = %error.lsn(), "passed over, and more like it will be without a word: {error}");
        }
    }
}

impl Drop for Unreadable {
    fn drop(&mut self) {
        for ((table, _), count) in &self.counts {
            if *count > 1 {
                let table = table.as_ref().map(|(schema, name)| format!("{schema}.{name}"));
                warn!(table, count, "frames of one kind could not be decoded in this connection and were passed over");
            }
        }
    }
}
