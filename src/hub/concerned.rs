//! Whom it concerns that something has changed which policies read.

use std::collections::{HashMap, HashSet};

use bytestring::ByteString;

use super::{
    Dispatcher,
    shifts::Shift,
    sight::{Asking, Guarded, Identity},
};
use crate::events::{Link, Offset, Touch};

/// A table of which some may see other rows now.
pub struct Concerned {
    pub guarded: Guarded,
    /// `None`: everybody.
    pub whose: Option<HashSet<Identity>>,
    /// To whom it is known to be nothing.
    pub spared: HashSet<Identity>,
}

impl Concerned {
    pub fn all(guarded: Guarded) -> Self {
        Concerned { guarded, whose: None, spared: HashSet::new() }
    }
}

impl Dispatcher {
    /// Whose sight of what is another, now that these rows have changed which policies read.
    pub(super) async fn concerned_by(&mut self, touches: &[Touch]) -> Vec<Concerned> {
        let mut concerned = Vec::new();
        for guarded in self.sight.guarded().to_vec() {
            let touched: Vec<(Option<&Link>, Option<Vec<ByteString>>)> = guarded
                .guard
                .sources
                .iter()
                .flat_map(|source| {
                    touches.iter().filter(|touch| touch.concerns(source)).map(move |touch| (source, touch))
                })
                .map(|(source, touch)| {
                    let link = source.link.as_ref();
                    (link, link.and_then(|link| touch.values(&link.column)))
                })
                .collect();
            if touched.is_empty() {
                continue;
            }
            let mut linked: HashMap<&Link, HashSet<ByteString>> = HashMap::new();
            let mut concerns_all = false;
            for (link, values) in touched {
                match link.zip(values) {
                    Some((link, values)) => linked.entry(link).or_default().extend(values),
                    None => concerns_all = true,
                }
            }
            let (whose, spared) = match concerns_all {
                true => (None, HashSet::new()),
                false => {
                    let (whose, spared) = self.linked(&guarded, &linked).await;
                    (Some(whose), spared)
                }
            };
            concerned.push(Concerned { guarded, whose, spared });
        }
        concerned
    }

    /// Those who follow a table and whose claims are linked with one of these values, or may be; and those of whom it is known
    /// that they are not.
    async fn linked(
        &mut self,
        guarded: &Guarded,
        linked: &HashMap<&Link, HashSet<ByteString>>,
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

    /// For those who are away. `at`: when these rows have been changed, at the latest.
    pub(super) fn note_shifts(&mut self, concerned: &[Concerned], touches: &[Touch], at: Offset) {
        for Concerned { guarded: Guarded { guard, .. }, .. } in concerned {
            for source in &guard.sources {
                for touch in touches.iter().filter(|touch| touch.concerns(source)) {
                    let whose = source.link.clone().and_then(|link| {
                        let values = touch.values(&link.column)?;
                        Some((link, values))
                    });
                    self.sight.shift(guard, Shift { at, whose });
                }
            }
        }
    }
}
