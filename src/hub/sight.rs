use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use bytestring::ByteString;
use futures_util::future::BoxFuture;
use indexmap::IndexMap;

use super::shifts::{Shift, Shifts};
use crate::{
    change::TableName,
    events::{About, Answer, Guard, Image, Link, Offset, Question, Room, RoomParts, Sight as Rule, Values},
};

/// Who knows what the hub cannot know: which rows the bearer of some claims may see.
pub trait Authority: Send + Sync {
    /// An answer for each question, by what is committed at least up to these transactions; `None` where there is none now.
    /// Takes bounded time.
    fn ask<'a>(&'a self, questions: &'a [Question], after: &'a [u32]) -> BoxFuture<'a, Vec<Option<Answer>>>;

    /// Whether questions would be answered now, by what is committed up to these transactions.
    fn sees<'a>(&'a self, transactions: &'a [u32]) -> BoxFuture<'a, bool>;
}

/// A guarded table, and where it is told.
#[derive(Clone, Debug)]
pub struct Guarded {
    pub prefix: ByteString,
    /// Its rows are told in the rooms of entities, too.
    pub entities: bool,
    pub guard: Arc<Guard>,
}

/// Some claims that a socket here has, or had: sockets of the same token share what they may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Identity(u32);

impl Identity {
    /// Of whom nothing is asked.
    pub const ANYBODY: Identity = Identity(u32::MAX);
}

/// Who may see what, as far as it was asked and cannot have changed.
///
/// Answers are kept by what policies read, not by row: so one serves all rows of a tenant, those to come as well, and holds until
/// something else changes that the policies read.
#[derive(Default)]
pub struct Sight {
    guarded: Vec<Guarded>,
    by_prefix: HashMap<ByteString, usize>,
    /// Of the guards in force, by the oids of their tables.
    marks: HashMap<u32, String>,
    identities: HashMap<Arc<str>, Identity>,
    /// The same the other way round.
    claims: HashMap<Identity, Arc<str>>,
    next: u32,
    rows: HashMap<u32, HashMap<Values, HashMap<Identity, bool>>>,
    /// What was answered last about rows of tables whose policies are opaque: what their followers hold.
    past: HashMap<u32, HashMap<Values, HashMap<Identity, bool>>>,
    /// About rows as they stand: for this moment only.
    keys: HashMap<(u32, String), HashMap<Identity, bool>>,
    links: HashMap<Link, HashMap<Identity, Option<String>>>,
    shifts: Shifts,
}

/// Questions, each once.
#[derive(Default)]
pub struct Asking {
    open: IndexMap<(u32, Identity, About), Arc<Guard>>,
    /// How many were answered before.
    known: usize,
}

impl Asking {
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// How many needed not be asked.
    pub fn known(&self) -> usize {
        self.known
    }

    fn add(&mut self, guard: &Arc<Guard>, who: Identity, about: About) {
        self.open.entry((guard.oid, who, about)).or_insert_with(|| Arc::clone(guard));
    }
}

impl Sight {
    /// Whether any table is guarded.
    pub fn is_guarding(&self) -> bool {
        !self.guarded.is_empty()
    }

    /// From now on these are guarded. Gives back those that were not before, or otherwise.
    pub fn guard(&mut self, guarded: Vec<Guarded>) -> Vec<Guarded> {
        let before = std::mem::replace(&mut self.guarded, guarded);
        self.by_prefix = self.guarded.iter().enumerate().map(|(at, guarded)| (guarded.prefix.clone(), at)).collect();
        let is_as_before = |now: &&Guarded| {
            let same = |then: &Guarded| then.prefix == now.prefix && then.guard.mark == now.guard.mark;
            before.iter().any(same)
        };
        self.marks = self.guarded.iter().map(|guarded| (guarded.guard.oid, guarded.guard.mark.clone())).collect();
        let changed: Vec<Guarded> = self.guarded.iter().filter(|now| !is_as_before(now)).cloned().collect();
        let marks: HashSet<&str> = self.guarded.iter().map(|guarded| guarded.guard.mark.as_str()).collect();
        let gone = before.iter().filter(|then| !marks.contains(then.guard.mark.as_str()));
        for then in gone {
            self.rows.remove(&then.guard.oid);
            self.past.remove(&then.guard.oid);
        }
        if !changed.is_empty() {
            self.links.clear();
        }
        self.keys.clear();
        changed
    }

    pub fn guarded(&self) -> &[Guarded] {
        &self.guarded
    }

    /// The guard of the row whose room it is, and the row's key.
    pub fn guard_of<'a>(&self, room: &'a Room) -> Option<(Arc<Guard>, &'a str)> {
        let RoomParts::Row { prefix, key } = room.parts() else { return None };
        let at = self.by_prefix.get(prefix)?;
        Some((Arc::clone(&self.guarded.get(*at)?.guard), key))
    }

    pub fn identity(&mut self, claims: &Arc<str>) -> Identity {
        if let Some(identity) = self.identities.get(claims) {
            return *identity;
        }
        let identity = Identity(self.next);
        // Four billion tokens do not come to one process.
        self.next = self.next.wrapping_add(1);
        self.identities.insert(Arc::clone(claims), identity);
        self.claims.insert(identity, Arc::clone(claims));
        identity
    }

    /// Whether it is what the table is guarded by now.
    fn is_in_force(&self, guard: &Guard) -> bool {
        self.marks.get(&guard.oid).is_some_and(|mark| *mark == guard.mark)
    }

    /// Whether an identity may see a version of a row; `None`: that is not known.
    pub fn sees(&self, guard: &Guard, who: Identity, image: &Image, key: Option<&str>) -> Option<bool> {
        match (guard.sight, image) {
            (_, Image::Nothing) | (Rule::Nobody, _) => Some(false),
            (Rule::Everyone, _) => Some(true),
            // By other policies it is another question.
            _ if !self.is_in_force(guard) => None,
            (Rule::Policies { .. }, Image::Values(values)) => {
                self.rows.get(&guard.oid)?.get(values)?.get(&who).copied()
            }
            (Rule::Policies { .. }, Image::Unknown) => self.sees_key(guard, who, key?),
        }
    }

    /// Whether an identity saw a version of a row; `None`: that is not known.
    pub fn saw(&self, guard: &Guard, who: Identity, image: &Image) -> Option<bool> {
        match image {
            // Its key says how the row is now.
            Image::Unknown if matches!(guard.sight, Rule::Policies { .. }) => None,
            Image::Values(values) if guard.is_opaque() => self.past.get(&guard.oid)?.get(values)?.get(&who).copied(),
            image => self.sees(guard, who, image, None),
        }
    }

    /// Whether an identity may see the row of a key as it stands; `None`: that is not known.
    pub fn sees_key(&self, guard: &Guard, who: Identity, key: &str) -> Option<bool> {
        match guard.sight {
            Rule::Nobody => Some(false),
            Rule::Everyone => Some(true),
            Rule::Policies { .. } if !self.is_in_force(guard) => None,
            Rule::Policies { .. } => self.keys.get(&(guard.oid, key.to_owned()))?.get(&who).copied(),
        }
    }

    pub fn link(&self, link: &Link, who: Identity) -> Option<Option<&str>> {
        self.links.get(link)?.get(&who).map(Option::as_deref)
    }

    /// Whether an identity is linked with one of these values, or may be.
    pub fn is_linked(&self, link: &Link, who: Identity, is_one: impl Fn(&str) -> bool) -> bool {
        match self.link(link, who) {
            Some(Some(value)) => is_one(value),
            // Nothing equals NULL.
            Some(None) => false,
            None => true,
        }
    }

    /// Takes note that others see rows of a table now, or may.
    pub fn shift(&mut self, guard: &Guard, shift: Shift) {
        self.shifts.note(guard.oid, shift);
    }

    /// The stream begins anew: what changed before nobody can say.
    pub fn begin(&mut self) {
        self.shifts.clear();
        self.rows.clear();
        self.past.clear();
        self.links.clear();
        self.keys.clear();
    }

    /// Whether an identity may see other rows of a table than after an offset, for another reason than a change of theirs.
    pub fn has_shifted(&self, guard: &Guard, who: Identity, since: Offset) -> bool {
        let concerns = |shift: &Shift| match &shift.whose {
            Some((link, values)) => self.is_linked(link, who, |value| values.iter().any(|linked| **linked == *value)),
            None => true,
        };
        self.shifts.after(guard.oid, since).is_none_or(|mut shifts| shifts.any(concerns))
    }

    /// Adds what has to be answered before [`has_shifted`](Self::has_shifted) can be said.
    pub fn wonder_about_shifts(&self, asking: &mut Asking, who: Identity, since: Offset) {
        for guarded in &self.guarded {
            let shifts = self.shifts.after(guarded.guard.oid, since).into_iter().flatten();
            for (link, _) in shifts.filter_map(|shift| shift.whose.as_ref()) {
                self.wonder_about_link(asking, &guarded.guard, who, link);
            }
        }
    }

    /// The guard of a table.
    pub fn guard_of_table(&self, table: &TableName) -> Option<&Arc<Guard>> {
        self.guarded.iter().map(|guarded| &guarded.guard).find(|guard| guard.table == *table)
    }

    /// Adds the question that has to be answered before [`sees`](Self::sees) can be.
    pub fn wonder(&self, asking: &mut Asking, guard: &Arc<Guard>, who: Identity, image: &Image, key: Option<&str>) {
        if self.sees(guard, who, image, key).is_some() {
            asking.known += 1;
        } else {
            match (image, key) {
                (Image::Values(values), _) => asking.add(guard, who, About::Row(values.clone())),
                (_, Some(key)) => asking.add(guard, who, About::Key(key.to_owned())),
                _ => {}
            }
        }
    }

    pub fn wonder_about_key(&self, asking: &mut Asking, guard: &Arc<Guard>, who: Identity, key: &str) {
        if self.sees_key(guard, who, key).is_none() {
            asking.add(guard, who, About::Key(key.to_owned()));
        }
    }

    pub fn wonder_about_link(&self, asking: &mut Asking, guard: &Arc<Guard>, who: Identity, link: &Link) {
        if self.link(link, who).is_none() {
            asking.add(guard, who, About::Link(link.clone()));
        }
    }

    pub fn questions(&self, asking: &Asking) -> Vec<Question> {
        let nobody: Arc<str> = Arc::from("{}");
        let question = |((_, who, about), guard): (&(u32, Identity, About), &Arc<Guard>)| Question {
            claims: Arc::clone(self.claims.get(who).unwrap_or(&nobody)),
            guard: Arc::clone(guard),
            about: about.clone(),
        };
        asking.open.iter().map(question).collect()
    }

    /// Takes in what was answered.
    pub fn learn(&mut self, asking: Asking, answers: Vec<Option<Answer>>) {
        for (((oid, who, about), _), answer) in asking.open.into_iter().zip(answers) {
            match (about, answer) {
                (About::Row(values), Some(Answer::Seen(seen))) => {
                    self.rows.entry(oid).or_default().entry(values).or_default().insert(who, seen);
                }
                (About::Key(key), Some(Answer::Seen(seen))) => {
                    self.keys.entry((oid, key)).or_default().insert(who, seen);
                }
                (About::Link(link), Some(Answer::Value(value))) => {
                    self.links.entry(link).or_default().insert(who, value);
                }
                _ => {}
            }
        }
    }

    /// What a table's policies read has changed, but for those that are spared.
    pub fn forget(&mut self, guard: &Guard, spared: &HashSet<Identity>) {
        let Some(rows) = self.rows.get_mut(&guard.oid) else { return };
        rows.values_mut().for_each(|seen| seen.retain(|who, _| spared.contains(who)));
        rows.retain(|_, seen| !seen.is_empty());
    }

    /// The same of every table whose policies read more than the row.
    pub fn forget_what_has_sources(&mut self) {
        for Guarded { guard, .. } in self.guarded.iter().filter(|guarded| !guarded.guard.sources.is_empty()) {
            self.rows.remove(&guard.oid);
        }
    }

    /// The moment is over for which some answers hold.
    pub fn end_moment(&mut self) {
        self.keys.clear();
        for guarded in self.guarded.iter().filter(|guarded| guarded.guard.is_opaque()) {
            let past = self.past.entry(guarded.guard.oid).or_default();
            for (values, seen) in self.rows.remove(&guarded.guard.oid).unwrap_or_default() {
                past.entry(values).or_default().extend(seen);
            }
        }
    }

    /// Whether there is much more than there should be of so many sockets.
    pub fn is_overgrown(&self, sockets: usize) -> bool {
        let kept = self.rows.values().chain(self.past.values());
        let answers = kept.flat_map(HashMap::values).map(HashMap::len).sum::<usize>();
        self.identities.len() > 2 * sockets + 1_000 || answers > MOST_ANSWERS
    }

    /// Forgets what nobody here needs any more, or, where that is not it, all answers.
    pub fn prune(&mut self, alive: &HashSet<Identity>) {
        self.identities.retain(|_, who| alive.contains(who));
        self.claims.retain(|who, _| alive.contains(who));
        self.links.values_mut().for_each(|values| values.retain(|who, _| alive.contains(who)));
        for rows in self.rows.values_mut().chain(self.past.values_mut()) {
            rows.values_mut().for_each(|seen| seen.retain(|who, _| alive.contains(who)));
            rows.retain(|_, seen| !seen.is_empty());
        }
        if self.is_overgrown(alive.len()) {
            self.rows.clear();
            self.past.clear();
        }
    }
}

/// More answers than these are not kept.
const MOST_ANSWERS: usize = 2_000_000;

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Nobody can be asked.
    pub struct Nobody;

    impl Authority for Nobody {
        fn ask<'a>(&'a self, questions: &'a [Question], _: &'a [u32]) -> BoxFuture<'a, Vec<Option<Answer>>> {
            Box::pin(async { vec![None; questions.len()] })
        }
        fn sees<'a>(&'a self, _: &'a [u32]) -> BoxFuture<'a, bool> {
            Box::pin(async { false })
        }
    }
}
