use std::{collections::HashMap, sync::Arc};

use bytestring::ByteString;
use foldhash::fast::FixedState;
use serde::Deserialize;
use smallvec::smallvec;

use super::{
    Actor, Event, Guards, MapError, RuleError, RuleSpec, Target,
    binding::{Binding, Unbound},
    broadcast::{self, BROADCAST_PREFIX},
    event::{Naming, Origin, Reason},
    fault::Fault,
    keys::Keys,
    losses::{Losses, LostRow},
    rules::{self, RULES_SCHEMA, Rules},
    telling::{self, Transaction, Untold},
};
use crate::change::{Change, Entry, LogicalMessage, Lsn, Operation, Table, TableName, Unreadable};

/// The prefix of the logical message that names who makes a transaction's changes (`walcast.set_actor`). Its content is
/// `{"actor": "user-42", "socket": "…"}`, without or with a null `socket`; a null `actor` takes the name back.
pub const ACTOR_PREFIX: &str = "walcast.actor";

/// Turns the entries of the stream, in order, into events.
#[derive(Debug)]
pub struct Mapper {
    pub(super) rules: Rules,
    /// By the address of the table, which stays its own for as long as the table is held here.
    layouts: HashMap<usize, Layout, FixedState>,
    keys: Keys,
    transaction: Option<Transaction>,
    counts: Counts,
    /// `None`: everyone may hear everything.
    pub(super) guards: Option<Arc<Guards>>,
}

/// What came by that could not be told, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Entries that could not be decoded.
    pub unreadable: u64,
    /// Changes that were decoded and could not be told, or not in full.
    pub untold: u64,
    /// Events that say so: at most one a table and transaction.
    pub resyncs: u64,
}

/// What is known of one layout of a table.
#[derive(Debug)]
struct Layout {
    table: Arc<Table>,
    /// `None` until learned.
    primary_key: Option<Vec<ByteString>>,
    /// `None` until it is needed under the rules in force.
    binding: Option<Result<Arc<Binding>, Fault>>,
    /// What was said already: what is wrong with a layout is said once, not with each change.
    said: Vec<Fault>,
}

impl Mapper {
    /// `rules` are the rows of `walcast.rules` as they stand where the stream begins.
    pub fn new(rules: Vec<RuleSpec>) -> Result<Self, RuleError> {
        Ok(Mapper {
            rules: Rules::new(rules)?,
            layouts: HashMap::default(),
            keys: Keys::default(),
            transaction: None,
            counts: Counts::default(),
            guards: None,
        })
    }

    /// Whether the table comes as the log has not described it before: then its catalog may have changed too.
    pub fn is_new(&self, table: &Arc<Table>) -> bool {
        !self.layouts.contains_key(&address(table))
    }

    /// The table whose primary key has to be learned before [`Mapper::map`] can take this entry: its rule does not name
    /// the column of the id. `None`: go ahead.
    pub fn unknown_table<'a>(&self, entry: &'a Entry) -> Option<&'a Arc<Table>> {
        let Entry::Change(change) = entry else { return None };
        let table = &change.table;
        let is_known = |layout: &Layout| layout.primary_key.is_some() || layout.binding.is_some();
        let needs_key = !self.layouts.get(&address(table)).is_some_and(is_known)
            && change.operation != Operation::Truncate
            && table.schema != RULES_SCHEMA
            && self.rules.get(&table.full_name()).is_none_or(|rule| rule.id_column.is_none());
        needs_key.then_some(table)
    }

    /// Takes in the primary key of a table: the names of its columns in the order of the key, none if it has no key.
    /// That is the key as the catalog has it now. Where the log says another, or the columns are gone, what was known before
    /// counts.
    pub fn learn(&mut self, table: &Arc<Table>, primary_key: Vec<ByteString>) {
        self.settle(table, Some(primary_key));
    }

    /// Takes in that the catalog has the table no more, so that its primary key is only what was known before.
    pub fn learn_gone(&mut self, table: &Arc<Table>) {
        self.settle(table, None);
    }

    fn settle(&mut self, table: &Arc<Table>, found: Option<Vec<ByteString>>) {
        let primary_key = self.keys.settle(table, found);
        let layout = self.layout(table);
        layout.binding = primary_key.is_none().then_some(Err(Fault::Unbound(Unbound::Gone)));
        layout.primary_key = primary_key;
    }

    /// The rules in force, by the names of their tables: what [`Mapper::new`] takes to go on from here.
    pub fn rules(&self) -> Vec<RuleSpec> {
        self.rules.standing()
    }

    /// The rules in force, if a commit has changed them since the last call. Ask after each commit: who begins anew behind
    /// it must begin with these, and who begins before it with those that were in force until then.
    pub fn take_rules_change(&mut self) -> Option<Vec<RuleSpec>> {
        self.rules.take_changed().then(|| self.rules())
    }

    /// What would keep changes of a table from being told, or from being told in full, as table, key and rules are now: what
    /// is wrong, and what mends it. For whoever asks before a change comes.
    pub fn fault(&mut self, table: &Arc<Table>, primary_key: Vec<ByteString>) -> Option<(String, String)> {
        self.learn(table, primary_key);
        match self.binding(table)? {
            Ok(binding) => binding.missing.clone().map(Fault::MissingColumn),
            Err(fault) => Some(fault),
        }
        .map(|fault| fault.explain())
    }

    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Appends the events of this entry, in order.
    ///
    /// What cannot be told does not stop what follows. Who may have missed something hears so at the end of the
    /// transaction, in one `resync`: those in the rooms of the row, if it is one row that tells them; else all that follow
    /// the table; else, where not even the table is known, everyone. This depends on the log and the rules alone.
    ///
    /// # Errors
    /// What is wrong and how to mend it, for the log: once a layout of a table.
    pub fn map(&mut self, entry: Entry, out: &mut Vec<Event>) -> Result<(), MapError> {
        match entry {
            Entry::Begin(begin) => {
                self.reset();
                self.transaction = Some(Transaction {
                    commit_lsn: begin.commit_lsn,
                    committed_at: begin.committed_at,
                    actor: None,
                    next: 0,
                    losses: Losses::default(),
                });
                Ok(())
            }
            Entry::Message(message) if message.prefix == BROADCAST_PREFIX => {
                self.broadcast(&message, out).inspect_err(|_| self.counts.untold += 1)
            }
            Entry::Message(message) => self.take_message(&message),
            Entry::Change(change) if rules::is_rules_table(&change.table) => self.rules.collect(&change),
            // A publication FOR ALL TABLES also holds what walcast keeps for itself.
            Entry::Change(change) if change.table.schema == RULES_SCHEMA => Ok(()),
            Entry::Change(change) => self.tell(change, out),
            Entry::Unreadable(unreadable) => self.take_unreadable(unreadable),
            Entry::Commit(_) => {
                let before = out.len();
                if let Some(transaction) = self.transaction.take() {
                    transaction.tell_losses(out);
                }
                self.counts.resyncs += count(out.len() - before);
                self.follow_rules()
            }
        }
    }

    /// The stream starts again at the beginning of a transaction: forgets the transaction under way.
    pub fn reset(&mut self) {
        self.transaction = None;
        self.rules.forget_pending();
    }

    fn follow_rules(&mut self) -> Result<(), MapError> {
        if !self.rules.has_pending() {
            return Ok(());
        }
        self.unbind();
        self.layouts.values_mut().for_each(|layout| layout.said.clear());
        self.rules.commit()
    }

    pub(super) fn unbind(&mut self) {
        self.layouts.values_mut().for_each(|layout| layout.binding = None);
    }

    fn take_message(&mut self, message: &LogicalMessage) -> Result<(), MapError> {
        #[derive(Deserialize)]
        struct Content {
            // Without this, a content that lacks an actor would be taken for one that takes it back.
            #[serde(deserialize_with = "Option::deserialize")]
            actor: Option<String>,
            #[serde(default)]
            socket: Option<String>,
        }
        if !message.transactional || message.prefix != ACTOR_PREFIX {
            return Ok(());
        }
        let error =
            |what: String, remedy: &str| MapError { table: None, lsn: message.lsn, what, remedy: remedy.into() };
        let Some(transaction) = &mut self.transaction else {
            return Err(error("an actor is named outside a transaction".into(), OUTSIDE));
        };
        transaction.actor = None;
        let content: Content = serde_json::from_slice(&message.content).map_err(|cause| {
            error(
                format!("the message {ACTOR_PREFIX} cannot be read ({cause}), so its changes name nobody"),
                "write it with walcast.set_actor()",
            )
        })?;
        transaction.actor =
            content.actor.map(|id| Actor { id: id.into(), socket: content.socket.map(ByteString::from) }.into());
        Ok(())
    }

    /// Tells the event that the message is, at its place among the changes. Nobody waits for one that cannot be read, so
    /// nobody is told to fetch again for it.
    fn broadcast(&mut self, message: &LogicalMessage, out: &mut Vec<Event>) -> Result<(), MapError> {
        let error = |what: String, remedy: &str| MapError {
            table: None,
            lsn: message.lsn,
            what: format!("the message {BROADCAST_PREFIX} is not told: {what}"),
            remedy: remedy.to_owned(),
        };
        if !message.transactional {
            // It would be told although its transaction may have rolled back.
            return Err(error("it is not transactional".to_owned(), BY_FUNCTION));
        }
        let Some(transaction) = &mut self.transaction else {
            return Err(error("it stands outside a transaction".to_owned(), OUTSIDE));
        };
        let (room, broadcast) = broadcast::read(&message.content).map_err(|what| error(what, BY_FUNCTION))?;
        let committed_at = transaction.committed_at;
        transaction.tell(Target::Rooms(smallvec![room]), Origin::Broadcast { broadcast, committed_at }, out);
        Ok(())
    }

    fn tell(&mut self, change: Change, out: &mut Vec<Event>) -> Result<(), MapError> {
        let Change { lsn, table, operation } = change;
        if self.transaction.is_none() {
            return Err(MapError::of(&table, lsn, "a change stands outside a transaction", OUTSIDE));
        }
        if operation == Operation::Truncate {
            return self.tell_truncate(lsn, &table, out);
        }
        let binding = match self.binding(&table) {
            Some(Ok(binding)) => binding,
            Some(Err(fault)) => return self.lose(lsn, &table, fault, None),
            None => {
                self.lose_table(table.full_name());
                return Err(MapError::of(
                    &table,
                    lsn,
                    "the primary key was not learned, so the change is lost",
                    OUTSIDE,
                ));
            }
        };
        let Some(transaction) = &mut self.transaction else { return Ok(()) };
        match telling::tell(&binding, &table, operation, transaction, out) {
            Ok(()) => Ok(()),
            Err(Untold { fault, row }) => self.lose(lsn, &table, fault, row),
        }
    }

    fn tell_truncate(&mut self, lsn: Lsn, table: &Arc<Table>, out: &mut Vec<Event>) -> Result<(), MapError> {
        let audience = match self.rules.audience(&table.full_name()) {
            Ok(audience) => audience,
            Err(prefix) => return self.complain(lsn, table, Fault::PrefixTaken(prefix)),
        };
        if let Some(transaction) = &mut self.transaction {
            transaction.tell_all(Some(audience), Reason::Truncate, out);
        }
        Ok(())
    }

    fn take_unreadable(&mut self, Unreadable { lsn, table }: Unreadable) -> Result<(), MapError> {
        self.counts.unreadable += 1;
        let error = |what: &str, remedy: &str| {
            let table = table.as_ref().map(|(schema, name)| format!("{schema}.{name}"));
            Err(MapError { table, lsn, what: what.to_owned(), remedy: remedy.to_owned() })
        };
        let Some(transaction) = &mut self.transaction else {
            return error("a change stands outside a transaction", OUTSIDE);
        };
        match table {
            Some((ref schema, ref name)) if rules::are_named(schema, name) => {
                return error("a change of the rules cannot be read", rules::REMEDY);
            }
            Some(table) => self.lose_table(table),
            None => transaction.losses.add_everything(),
        }
        Ok(())
    }

    /// Takes note of a change that could not be told. A table whose rows nobody can name has nobody to be told.
    fn lose(&mut self, lsn: Lsn, table: &Arc<Table>, fault: Fault, row: Option<LostRow>) -> Result<(), MapError> {
        self.counts.untold += 1;
        let name = table.full_name();
        let is_heard = fault != Fault::Unbound(Unbound::NoKey) || self.rules.get(&name).is_some();
        match (row, &mut self.transaction) {
            (Some(row), Some(transaction)) if transaction.losses.takes(&name, &row) => {
                transaction.losses.add_row(name, row)
            }
            _ if is_heard => self.lose_table(name),
            _ => {}
        }
        self.complain(lsn, table, fault)
    }

    fn lose_table(&mut self, table: TableName) {
        if let Some(transaction) = &mut self.transaction
            && !transaction.losses.has_table(&table)
            && let Ok(audience) = self.rules.audience(&table)
        {
            transaction.losses.add_table(table, audience);
        }
    }

    /// The rule bound to the layout; `None` where the primary key has to be learned first.
    fn binding(&mut self, table: &Arc<Table>) -> Option<Result<Arc<Binding>, Fault>> {
        if let Some(bound) = self.layouts.get(&address(table)).and_then(|layout| layout.binding.clone()) {
            return Some(bound);
        }
        let name = table.full_name();
        let rule = self.rules.get(&name).cloned();
        let prefix = self.rules.prefix(&name);
        let guard = self.guards.as_ref().and_then(|guards| guards.of(table));
        let layout = self.layout(table);
        let key = match &layout.primary_key {
            Some(key) => key.as_slice(),
            None if rule.as_ref().is_some_and(|rule| rule.id_column.is_some()) => &[],
            None => return None,
        };
        let bound = match prefix {
            Ok(prefix) => Binding::new(Naming::new(&prefix, rule.is_some()), rule.as_ref(), table, key, guard)
                .map(Arc::new)
                .map_err(Fault::Unbound),
            Err(prefix) => Err(Fault::PrefixTaken(prefix)),
        };
        layout.binding = Some(bound.clone());
        Some(bound)
    }

    fn layout(&mut self, table: &Arc<Table>) -> &mut Layout {
        let address = address(table);
        let mut said = Vec::new();
        if !self.layouts.contains_key(&address) {
            // Postgres announces a table anew after an ANALYZE as well. The key may be another then; what is wrong with
            // the columns was said.
            if let Some(before) = self.layouts.values().find(|layout| layout.table == *table) {
                said.clone_from(&before.said);
            }
            // A layout that nobody else holds was replaced by DDL or by a new connection: no change will name it.
            self.layouts.retain(|_, layout| Arc::strong_count(&layout.table) > 1);
        }
        self.layouts.entry(address).or_insert_with(|| Layout {
            table: Arc::clone(table),
            primary_key: None,
            binding: None,
            said,
        })
    }

    fn complain(&mut self, lsn: Lsn, table: &Arc<Table>, fault: Fault) -> Result<(), MapError> {
        let layout = self.layout(table);
        if layout.said.contains(&fault) {
            return Ok(());
        }
        let (what, remedy) = fault.explain();
        layout.said.push(fault);
        Err(MapError::of(table, lsn, what, remedy))
    }
}

const BY_FUNCTION: &str = "write it with walcast.broadcast()";
const OUTSIDE: &str = "this is a fault of walcast: report it";

fn address(table: &Arc<Table>) -> usize {
    Arc::as_ptr(table).addr()
}

fn count(events: usize) -> u64 {
    u64::try_from(events).unwrap_or(u64::MAX)
}
