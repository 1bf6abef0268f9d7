use std::collections::{HashMap, VecDeque};

use bytestring::ByteString;

use crate::events::{Link, Offset};

/// When others came to see rows of guarded tables, or stopped to: what who was away then has to be told.
#[derive(Default)]
pub struct Shifts(HashMap<u32, Shifted>);

#[derive(Default)]
struct Shifted {
    kept: VecDeque<Shift>,
    /// What happened up to here is not known any more.
    floor: Offset,
}

/// Something that policies of a table read has changed.
#[derive(Clone, Debug)]
pub struct Shift {
    /// Then, or somewhat earlier.
    pub at: Offset,
    /// Whom it concerns: those whose claims are linked with one of these values. `None`: everybody.
    pub whose: Option<(Link, Vec<ByteString>)>,
}

/// The most of one table that are kept.
const MOST: usize = 1_000;

impl Shifts {
    pub fn note(&mut self, table: u32, shift: Shift) {
        let shifted = self.0.entry(table).or_default();
        shifted.kept.push_back(shift);
        if shifted.kept.len() > MOST
            && let Some(oldest) = shifted.kept.pop_front()
        {
            shifted.floor = oldest.at;
        }
    }

    /// Those of a table after an offset; `None`: they are not all known.
    pub fn after(&self, table: u32, since: Offset) -> Option<impl Iterator<Item = &Shift>> {
        let shifted = self.0.get(&table);
        if shifted.is_some_and(|shifted| since < shifted.floor) {
            return None;
        }
        Some(shifted.into_iter().flat_map(|shifted| &shifted.kept).filter(move |shift| shift.at > since))
    }

    /// The stream begins anew.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::Lsn;

    #[test]
    fn what_is_not_known_any_more_is_not_said_to_be_nothing() {
        let at = |lsn| Offset { lsn: Lsn(lsn), n: 0 };
        let mut shifts = Shifts::default();
        assert_eq!(shifts.after(1, at(0)).map(Iterator::count), Some(0));
        for lsn in 1..=MOST as u64 + 2 {
            shifts.note(1, Shift { at: at(lsn), whose: None });
        }
        assert!(shifts.after(1, at(1)).is_none());
        assert_eq!(shifts.after(1, at(2)).map(Iterator::count), Some(MOST));
        assert_eq!(shifts.after(2, at(0)).map(Iterator::count), Some(0));
    }
}
