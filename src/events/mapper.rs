use std::{collections::HashMap, sync::Arc};

use bytestring::ByteString;
use serde::Deserialize;

use super::{
    Actor, Event, MapError, RuleError, RuleSpec, Target,
    binding::{Binding, Unbound},
    event::{Naming, Origin},
    rules::{self, Rules},
    telling::{self, Transaction, Untold},
};
use crate::change::{Change, Entry, LogicalMessage, Lsn, Operation, Table};

/// The prefix of the logical message that names who makes a transaction's changes (`walcast.set_actor`). Its content is
/// `{"actor": "user-42", "socket": "…"}`, without or with a null `socket`; a null `actor` takes the name back.
pub const ACTOR_PREFIX: &str = "walcast.actor";

/// Turns the entries of the stream, in order, into events.
#[derive(Debug)]
pub struct Mapper {
    rules: Rules,
    /// By the address of the table, which stays its own for as long as the table is held here.
    layouts: HashMap<usize, Layout>,
    transaction: Option<Transaction>,
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

/// What is wrong with a layout of a table, whatever the row.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Fault {
    Unbound(Unbound),
    PrefixTaken(String),
    MissingColumn(String),
    RowWithoutKey,
    RowWithoutPlace,
}

impl Mapper {
    /// `rules` are the rows of `walcast.rules` as they stand where the stream begins.
    pub fn new(rules: Vec<RuleSpec>) -> Result<Self, RuleError> {
        Ok(Mapper { rules: Rules::new(rules)?, layouts: HashMap::new(), transaction: None })
    }

    /// The table whose primary key has to be learned before [`Mapper::map`] can take this entry: its rule does not name
    /// the column of the id. `None`: go ahead.
    pub fn unknown_table<'a>(&self, entry: &'a Entry) -> Option<&'a Arc<Table>> {
        let Entry::Change(change) = entry else { return None };
        let table = &change.table;
        let is_known = |layout: &Layout| layout.primary_key.is_some() || layout.binding.is_some();
        let needs_key = !self.layouts.get(&address(table)).is_some_and(is_known)
            && change.operation != Operation::Truncate
            && !rules::is_rules_table(table)
            && self.rules.get(table).is_none_or(|rule| rule.id_column.is_none());
        needs_key.then_some(table)
    }

    /// Takes in the primary key of a table: the names of its columns in the order of the key, none if it has no key.
    pub fn learn(&mut self, table: &Arc<Table>, primary_key: Vec<ByteString>) {
        let layout = self.layout(table);
        layout.primary_key = Some(primary_key);
        layout.binding = None;
    }

    /// Appends the events of this entry, in order.
    pub fn map(&mut self, entry: Entry, out: &mut Vec<Event>) -> Result<(), MapError> {
        match entry {
            Entry::Begin(begin) => {
                self.reset();
                self.transaction = Some(Transaction {
                    commit_lsn: begin.commit_lsn,
                    committed_at: begin.committed_at,
                    actor: None,
                    next: 0,
                });
                Ok(())
            }
            Entry::Message(message) => self.take_message(&message),
            Entry::Change(change) if rules::is_rules_table(&change.table) => self.rules.collect(&change),
            Entry::Change(change) => self.tell(change, out),
            Entry::Commit(_) => {
                self.transaction = None;
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
        for layout in self.layouts.values_mut() {
            layout.binding = None;
            layout.said.clear();
        }
        self.rules.commit()
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
            content.actor.map(|id| Actor { id: id.into(), socket: content.socket.map(ByteString::from) });
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
            Some(Err(fault)) => return self.complain(lsn, &table, fault),
            None => {
                return Err(MapError::of(
                    &table,
                    lsn,
                    "the primary key was not learned, so the change is lost",
                    OUTSIDE,
                ));
            }
        };
        // A row of which the log gives the key alone says enough for its deletion.
        if let (Some(missing), false) = (&binding.missing, is_deletion_by_key(&operation)) {
            return self.complain(lsn, &table, Fault::MissingColumn(missing.clone()));
        }
        let Some(transaction) = &mut self.transaction else { return Ok(()) };
        match telling::tell(&binding, &table, operation, transaction, out) {
            Ok(()) => Ok(()),
            Err(Untold::NoKey) => self.complain(lsn, &table, Fault::RowWithoutKey),
            Err(Untold::NoPlace) => self.complain(lsn, &table, Fault::RowWithoutPlace),
            Err(Untold::Corrupt(column)) => Err(MapError::of(
                &table,
                lsn,
                format!("the value of column {column} is not of its type, so the change is not told"),
                format!("read the row in SQL; if {column} is sound there, report it with this position"),
            )),
        }
    }

    fn tell_truncate(&mut self, lsn: Lsn, table: &Arc<Table>, out: &mut Vec<Event>) -> Result<(), MapError> {
        let rule = self.rules.get(table);
        let has_rule = rule.is_some();
        let entities = rule.is_some_and(|rule| rule.entity_id_column.is_some());
        let naming = match self.rules.prefix(table) {
            Ok(prefix) => Box::new(Naming::new(&prefix, has_rule)),
            Err(prefix) => return self.complain(lsn, table, Fault::PrefixTaken(prefix)),
        };
        if let Some(transaction) = &mut self.transaction {
            let target = Target::Table { prefix: Arc::clone(&naming.prefix), entities };
            let (actor, committed_at) = (transaction.actor.clone(), transaction.committed_at);
            transaction.tell(target, Origin::Truncate { naming, actor, committed_at }, out);
        }
        Ok(())
    }

    /// The rule bound to the layout; `None` where the primary key has to be learned first.
    fn binding(&mut self, table: &Arc<Table>) -> Option<Result<Arc<Binding>, Fault>> {
        if let Some(bound) = self.layouts.get(&address(table)).and_then(|layout| layout.binding.clone()) {
            return Some(bound);
        }
        let rule = self.rules.get(table).cloned();
        let prefix = self.rules.prefix(table);
        let layout = self.layout(table);
        let key = match &layout.primary_key {
            Some(key) => key.as_slice(),
            None if rule.as_ref().is_some_and(|rule| rule.id_column.is_some()) => &[],
            None => return None,
        };
        let bound = match prefix {
            Ok(prefix) => Binding::new(Naming::new(&prefix, rule.is_some()), rule.as_ref(), table, key)
                .map(Arc::new)
                .map_err(Fault::Unbound),
            Err(prefix) => Err(Fault::PrefixTaken(prefix)),
        };
        layout.binding = Some(bound.clone());
        Some(bound)
    }

    fn layout(&mut self, table: &Arc<Table>) -> &mut Layout {
        let address = address(table);
        if !self.layouts.contains_key(&address) {
            // A layout that nobody else holds was replaced by DDL or by a new connection: no change will name it.
            self.layouts.retain(|_, layout| Arc::strong_count(&layout.table) > 1);
        }
        self.layouts.entry(address).or_insert_with(|| Layout {
            table: Arc::clone(table),
            primary_key: None,
            binding: None,
            said: Vec::new(),
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

const OUTSIDE: &str = "this is a fault of walcast: report it";

fn address(table: &Arc<Table>) -> usize {
    Arc::as_ptr(table).addr()
}

fn is_deletion_by_key(operation: &Operation) -> bool {
    matches!(operation, Operation::Delete { old: crate::change::OldRow::Key(_) })
}

impl Fault {
    /// What is wrong, and what to do.
    fn explain(&self) -> (String, String) {
        let (what, remedy) = match self {
            Fault::Unbound(Unbound::NoKey) => (
                "it has neither a primary key nor a rule that names an id, so its changes are not told".to_owned(),
                "add a primary key, or name a unique column with walcast.broadcast_table(…, id => '…')",
            ),
            Fault::Unbound(Unbound::MissingId(column)) => (
                format!("its id is in column {column}, which is not published, so its changes are not told"),
                "add the column to the table's list in the publication, or name another id with walcast.broadcast_table()",
            ),
            Fault::Unbound(Unbound::NotJson(column)) => (
                format!("its rule looks for nested components in column {column}, which is neither json nor jsonb, so its changes are not told"),
                "name a jsonb column in nested, with walcast.broadcast_table()",
            ),
            Fault::Unbound(Unbound::CompositeParent) => (
                "its rows nest in rows that several columns identify, which one parent column cannot name, so its changes are not told"
                    .to_owned(),
                "name a single unique column with walcast.broadcast_table(…, id => '…')",
            ),
            Fault::PrefixTaken(prefix) => (
                format!("its name `{prefix}` is the prefix of another table's rule, so its changes are not told"),
                "give it a rule with a prefix of its own with walcast.broadcast_table()",
            ),
            Fault::MissingColumn(column) => (
                format!("its rule names column {column}, which is not published or does not exist, so its changes are not told"),
                "publish the column, or mend the rule with walcast.broadcast_table()",
            ),
            Fault::RowWithoutKey => (
                "a row does not say its id (NULL, or left out of the log), so such changes are not told".to_owned(),
                "make the id column NOT NULL and part of the replica identity: ALTER TABLE … REPLICA IDENTITY FULL",
            ),
            Fault::RowWithoutPlace => (
                "the log does not say where a nested row stood before a change, so who follows its parent may miss it"
                    .to_owned(),
                "ALTER TABLE … REPLICA IDENTITY FULL",
            ),
        };
        (what, remedy.to_owned())
    }
}
