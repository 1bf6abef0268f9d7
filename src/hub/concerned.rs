//! Whom it concerns that something has changed which policies read.

use std::collections::{HashMap, HashSet};

use bytestring::ByteString;

use super::{
    Dispatcher,
    shifts::Shift,
    sight::{Asking, Guarded, Identity},
};
use crate::events::{Link, Offset, Source, Touch};

/// A table of which some may see other rows now.
pub struct Concerned {
    pub guarded: Guarded,
    /// `None`: everybody.
    pub whose: Option<HashSet<Identity>>,
    /// To whom it is known to be nothing.
    pub spared: HashSet<Identity>,
    /// Each change of what policies read.
    shifts: Vec<Option<Values>>,
}

/// A link, and what the linked column holds.
type Values = (Link, Vec<ByteString>);

impl Concerned {
    pub fn all(guarded: Guarded) -> Self {
        Concerned { guarded, whose: None, spared: HashSet::new(), shifts: Vec::new() }
    }
}

impl Dispatcher {
    /// Whose sight of what is another, now that these rows have changed which policies read.
    pub(super) async fn concerned_by(&mut self, touches: &[Touch]) -> Vec<Concerned> {
        let mut concerned = Vec::new();
        for guarded in self.sight.guarded().to_vec() {
            let mut shifts = Vec::new();
            for source in &guarded.guard.sources {
                let concerning = touches.iter().filter(|touch| touch.concerns(source));
                shifts.extend(concerning.map(|touch| values(source, touch)));
            }
            if shifts.is_empty() {
                continue;
            }
            let mut linked: HashMap<&Link, HashSet<&str>> = HashMap::new();
            for (link, values) in shifts.iter().flatten() {
                linked.entry(link).or_default().extend(values.iter().map(|value| &**value));
            }
            let concerns_all = shifts.iter().any(Option::is_none);
            let (whose, spared) = match concerns_all {
                true => (None, HashSet::new()),
                false => {
                    let (whose, spared) = self.linked(&guarded, &linked).await;
                    (Some(whose), spared)
                }
            };
            concerned.push(Concerned { guarded, whose, spared, shifts });
        }
        concerned
    }

    /// Those who follow a table and whose claims are linked with one of these values, or may be; and those of whom it is known
    /// that they are not.
    async fn linked(
        &mut self,
        guarded: &Guarded,
        linked: &HashMap<&Link, HashSet<&str>>,
    ) -> (HashSet<Identity>, HashSet<Identity>) {
        let mut people: HashSet<Identity> = self.followers(guarded).into_iter().map(|(_, who, _)| who).collect();
        people.extend(self.table_followers(guarded).into_iter().map(|(_, who)| who));
        let mut asking = Asking::default();
        for link in linked.keys() {
            for who in &people {
                self.sight.wonder_about_link(&mut asking, &guarded.guard, *who, link);
            }
        }
        self.ask(asking).await;
        let is_linked = |who: &Identity| {
            linked.iter().any(|(link, values)| self.sight.is_linked(link, *who, |value| values.contains(value)))
        };
        people.into_iter().partition(is_linked)
    }

    /// For those who are away. `at`: when that has changed, at the latest.
    pub(super) fn note_shifts(&mut self, concerned: &[Concerned], at: Offset) {
        for Concerned { guarded, shifts, .. } in concerned {
            for whose in shifts.iter().cloned() {
                self.sight.shift(&guarded.guard, Shift { at, whose });
            }
        }
    }
}

/// With whom the rows of a touch are linked; `None`: with anybody.
fn values(source: &Source, touch: &Touch) -> Option<Values> {
    let link = source.link.clone()?;
    let values = touch.values(&link.column)?;
    Some((link, values))
}
