use std::collections::BTreeMap;

use bytestring::ByteString;

use super::{MapError, RuleError, RuleFault, RuleSpec, event::Naming, losses::Audience, payload, room, rule};
use crate::change::{Change, Lsn, Operation, Row, Table, TableName};

/// The table that holds the rules. It is published itself: its changes are no events, they are followed.
pub const RULES_SCHEMA: &str = "walcast";
pub const RULES_TABLE: &str = "rules";

pub(super) const REMEDY: &str = "the rule that stood before stays; write the rule anew with walcast.broadcast_table()";

/// The rules in force, and those of the transaction under way, which come into force at its commit.
#[derive(Debug, Default)]
pub(super) struct Rules {
    standing: BTreeMap<TableName, RuleSpec>,
    pending: Vec<Edit>,
    /// Whether `standing` is another than it was when somebody last asked.
    has_changed: bool,
}

#[derive(Debug)]
enum Edit {
    Put(Lsn, Box<RuleSpec>),
    Remove(TableName),
    RemoveAll,
}

impl Rules {
    pub fn new(specs: Vec<RuleSpec>) -> Result<Self, RuleError> {
        let mut rules = Rules::default();
        for spec in specs {
            spec.check()?;
            if rules.standing.contains_key(&name_of(&spec)) {
                return Err(spec.error(RuleFault::SecondRule));
            }
            put(&mut rules.standing, spec)?;
        }
        Ok(rules)
    }

    pub fn get(&self, table: &TableName) -> Option<&RuleSpec> {
        self.standing.get(table)
    }

    pub fn standing(&self) -> Vec<RuleSpec> {
        self.standing.values().cloned().collect()
    }

    /// Whether the rules in force have changed since the last call.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.has_changed)
    }

    /// The prefix under which a table is broadcast: its rule's or [`plain_prefix`]; `Err` is the prefix it may not have.
    pub fn prefix(&self, table: &TableName) -> Result<String, String> {
        if let Some(rule) = self.get(table) {
            return Ok(rule.prefix.clone());
        }
        let is_taken = |prefix: &str| self.standing.values().any(|rule| rule.prefix == prefix);
        plain_prefix(&table.0, &table.1, is_taken)
    }

    /// All that follow a table; `Err` is the prefix it may not have.
    pub fn audience(&self, table: &TableName) -> Result<Audience, String> {
        let rule = self.get(table);
        let entities = rule.is_some_and(|rule| rule.entity_id_column.is_some());
        Ok(Audience {
            table: table.clone(),
            naming: Box::new(Naming::new(&self.prefix(table)?, rule.is_some())),
            entities,
        })
    }

    /// Takes in a change of the table of rules.
    pub fn collect(&mut self, change: &Change) -> Result<(), MapError> {
        let table = &change.table;
        let unreadable = |what: String| MapError::of(table, change.lsn, what, REMEDY);
        let read = |row: &Row| read_rule(table, row).map_err(unreadable);
        let named = |row: &Row| {
            let text = |column| table.column(column).and_then(|index| row.cell(index).text()).map(ByteString::from);
            text("schema_name").zip(text("table_name"))
        };
        match &change.operation {
            Operation::Insert { new } => self.pending.push(Edit::Put(change.lsn, Box::new(read(new)?))),
            Operation::Update { old, new } => {
                let spec = read(new)?;
                match old.as_ref().and_then(|old| named(old.row())) {
                    Some(before) if before != name_of(&spec) => self.pending.push(Edit::Remove(before)),
                    _ => {}
                }
                self.pending.push(Edit::Put(change.lsn, Box::new(spec)));
            }
            Operation::Delete { old } => {
                let gone = named(old.row())
                    .ok_or_else(|| unreadable("the log does not say of which table a rule was deleted".to_owned()))?;
                self.pending.push(Edit::Remove(gone));
            }
            Operation::Truncate => self.pending.push(Edit::RemoveAll),
        }
        Ok(())
    }

    pub fn forget_pending(&mut self) {
        self.pending.clear();
    }

    pub fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Puts what was collected into force. Rules may trade prefixes within a transaction: only its outcome is judged.
    pub fn commit(&mut self) -> Result<(), MapError> {
        let mut next = self.standing.clone();
        let mut written: BTreeMap<TableName, (Lsn, Box<RuleSpec>)> = BTreeMap::new();
        for edit in std::mem::take(&mut self.pending) {
            match edit {
                Edit::Put(lsn, spec) => {
                    next.remove(&name_of(&spec));
                    written.insert(name_of(&spec), (lsn, spec));
                }
                Edit::Remove(name) => {
                    next.remove(&name);
                    written.remove(&name);
                }
                Edit::RemoveAll => {
                    next.clear();
                    written.clear();
                }
            }
        }
        let mut refused = Vec::new();
        for (name, (lsn, spec)) in written {
            let Err(error) = put(&mut next, *spec) else { continue };
            refused.push((lsn, error.to_string()));
            if let Some(before) = self.standing.get(&name) {
                // If its prefix went to another table as well, this table is left with its own name.
                let _ = put(&mut next, before.clone());
            }
        }
        self.has_changed |= next != self.standing;
        self.standing = next;
        match refused.first() {
            None => Ok(()),
            Some((lsn, _)) => Err(MapError {
                table: Some(format!("{RULES_SCHEMA}.{RULES_TABLE}")),
                lsn: *lsn,
                what: refused.iter().map(|(_, what)| what.as_str()).collect::<Vec<_>>().join("; "),
                remedy: REMEDY.to_owned(),
            }),
        }
    }
}

/// Whether a table is the table of rules.
pub(super) fn is_rules_table(table: &Table) -> bool {
    are_named(&table.schema, &table.name)
}

/// Whether the table of rules has this name.
pub(super) fn are_named(schema: &str, name: &str) -> bool {
    name == RULES_TABLE && schema == RULES_SCHEMA
}

/// The prefix of a table without a rule: `orders` in schema public, else `sales.orders`.
///
/// A table of schema public whose name is reserved, or `is_taken` as the prefix of a rule, has `public.orders`. No two
/// tables share one: `%`, `:` and `.` within a name are escaped. `Err` is the prefix where even that is taken.
pub fn plain_prefix(schema: &str, table: &str, is_taken: impl Fn(&str) -> bool) -> Result<String, String> {
    let escape = |name: &str| room::escape(name).replace('.', "%2E");
    let is_free = |prefix: &String| !rule::is_reserved(prefix) && !is_taken(prefix);
    let long = format!("{}.{}", escape(schema), escape(table));
    let short = (schema == "public").then(|| escape(table));
    match short.filter(is_free) {
        Some(short) => Ok(short),
        None if is_free(&long) => Ok(long),
        None => Err(long),
    }
}

fn put(rules: &mut BTreeMap<TableName, RuleSpec>, spec: RuleSpec) -> Result<(), RuleError> {
    if let Some(other) = rules.values().find(|other| other.prefix == spec.prefix) {
        let other = format!("{}.{}", other.schema_name, other.table_name);
        return Err(spec.error(RuleFault::PrefixTaken { prefix: spec.prefix.clone(), other }));
    }
    rules.insert(name_of(&spec), spec);
    Ok(())
}

fn read_rule(table: &Table, row: &Row) -> Result<RuleSpec, String> {
    let mut json = String::new();
    payload::write_row(&mut json, table, row, |_| false)
        .map_err(|column| format!("the rule's column {column} is corrupt"))?;
    let spec: RuleSpec = serde_json::from_str(&json).map_err(|error| format!("a rule cannot be read ({error})"))?;
    spec.check().map_err(|error| error.to_string())?;
    Ok(spec)
}

fn name_of(spec: &RuleSpec) -> TableName {
    (spec.schema_name.as_str().into(), spec.table_name.as_str().into())
}
