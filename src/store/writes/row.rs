//! The row that a write is about: how it is locked, written, and read again.

use std::collections::BTreeMap;

use serde_json::{Value, value::RawValue};
use tokio_postgres::{
    Error, Transaction,
    types::{ToSql, Type},
};

use super::{Action, Values, Write, WriteError, Written, refusal::Setback, table::WriteTable};
use crate::events::{self, NestedSpec, join_key, split_key};

type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

pub struct Row<'a> {
    table: &'a WriteTable,
    write: &'a Write,
    /// `$1` of the [statements](super::sql): the key; of what is to be created, the entity.
    key: Vec<String>,
    /// It nests in another.
    is_child: bool,
}

/// As it stood when it was locked.
pub struct Found {
    version: Option<i64>,
    prints: Vec<Option<String>>,
}

impl<'a> Row<'a> {
    pub fn new(table: &'a WriteTable, write: &'a Write) -> Result<Self, WriteError> {
        let nests_rows = matches!(table.rule.nested, Some(NestedSpec::ChildRows { .. }));
        let (key, is_child) = match &write.action {
            Action::Create { entity, .. } => {
                (entity.iter().flat_map(|(kind, id)| [kind.clone(), id.clone()]).collect(), false)
            }
            Action::NestedUpdate { id, row, nested, .. } | Action::NestedDelete { id, row, nested, .. }
                if nests_rows =>
            {
                (vec![nested.clone(), id.clone(), row.clone()], true)
            }
            Action::Update { id, .. }
            | Action::Delete { id, .. }
            | Action::NestedCreate { id, .. }
            | Action::NestedUpdate { id, .. }
            | Action::NestedDelete { id, .. } => {
                let values = split_key(id, table.key.len());
                let values = values.ok_or_else(|| not_found(&table.rule.prefix, id))?;
                (values.into_iter().map(|value| value.into_owned()).collect(), false)
            }
        };
        Ok(Row { table, write, key, is_child })
    }

    /// `None`: it is not there.
    pub async fn lock(&self, transaction: &Transaction<'_>) -> Result<Option<Found>, Error> {
        if matches!(self.write.action, Action::Create { .. }) {
            return Ok(None);
        }
        let row = transaction.query_typed_opt(&self.table.lock(self.is_child, self.document()), &[self.key()]).await?;
        Ok(row.map(|row| Found { version: row.get(0), prints: row.get(1) }))
    }

    pub async fn write(&self, transaction: &Transaction<'_>, found: Option<Found>) -> Result<Written, Setback> {
        let Row { table, write: Write { action, identity, .. }, .. } = self;
        let (user, prefix) = (&identity.user_id, &table.rule.prefix);
        if let Action::Create { values, .. } = action {
            let json = to_json(values)?;
            let parameters = [self.key(), text(&json), text(user)];
            let row = transaction.query_typed_one(&table.insert(values), &parameters).await?;
            let id = Some(self.id(row.get(0))?);
            return Ok(Written { id, version: row.get(1), ..Written::default() });
        }
        let Some(found) = found else { return Err(self.not_found().into()) };
        if action.version().is_some() && action.version() != found.version {
            return Err(self.conflict(transaction, found.version).await?.into());
        }
        match action {
            Action::Create { .. } => Ok(Written::default()),
            Action::Update { updates, .. } => {
                let json = to_json(updates)?;
                let (update, parameters) = (table.update(updates), [self.key(), text(&json), text(user)]);
                self.change(transaction, transaction.execute_typed(&update, &parameters), &found, updates).await
            }
            Action::Delete { .. } => match transaction.execute_typed(&table.delete(), &[self.key()]).await? {
                0 => Err(prevented().into()),
                _ => Ok(Written::default()),
            },
            Action::NestedCreate { id, row, nested } => {
                let json = to_json(nested)?;
                let create = "SELECT n.nested_id::text, n.version FROM walcast.nested_create($1, $2, $3::text::jsonb, $4, $5) AS n";
                let parameters = [text(id), text(row), text(&json), text(prefix), text(user)];
                let create = transaction.query_typed_one(create, &parameters);
                let nothing = Values::new();
                let changes = self.changes(transaction, &found, &nothing);
                let (created, changes) = tokio::try_join!(biased; async { Ok(create.await?) }, changes)?;
                // A row of its own changes nothing of its parent's.
                let updates = if self.document().is_some() { changes.updates } else { BTreeMap::new() };
                Ok(Written { id: Some(raw(created.get(0))?), version: created.get(1), updates })
            }
            Action::NestedUpdate { id, row, nested, updates, .. } => {
                let json = to_json(updates)?;
                let update = "SELECT walcast.nested_update($1, $2, $3, $4::text::jsonb, $5, NULL, $6)";
                let parameters = [text(id), text(row), text(nested), text(&json), text(prefix), text(user)];
                self.change(transaction, transaction.execute_typed(update, &parameters), &found, updates).await
            }
            Action::NestedDelete { id, row, nested, .. } => {
                let delete = "SELECT walcast.nested_delete($1, $2, $3, $4, NULL, $5)";
                let parameters = [text(id), text(row), text(nested), text(prefix), text(user)];
                let delete = transaction.execute_typed(delete, &parameters);
                if self.is_child {
                    delete.await?;
                    return Ok(Written { version: found.version, ..Written::default() });
                }
                self.change(transaction, delete, &found, &Values::new()).await
            }
        }
    }

    /// A statement, and what it changed. `said`: what of it the client knows.
    async fn change(
        &self,
        transaction: &Transaction<'_>,
        statement: impl Future<Output = Result<u64, Error>>,
        found: &Found,
        said: &Values,
    ) -> Result<Written, Setback> {
        let statement = async { Ok(statement.await?) };
        let (count, written) = tokio::try_join!(biased; statement, self.changes(transaction, found, said))?;
        if count == 0 { Err(prevented().into()) } else { Ok(written) }
    }

    async fn changes(&self, transaction: &Transaction<'_>, found: &Found, said: &Values) -> Result<Written, Setback> {
        let parameters = [self.key(), (&found.prints as _, Type::TEXT_ARRAY)];
        let rows = transaction.query_typed(&self.table.changes(self.document()), &parameters).await?;
        let mut written = Written { version: rows.first().and_then(|row| row.get(0)), ..Written::default() };
        for row in &rows {
            let Some(name) = row.get::<_, Option<String>>(1) else { continue };
            let value = self.value(&name, row.get(2))?;
            let is_said =
                said.get(&name).is_some_and(|said| serde_json::from_str(value.get()).ok().as_ref() == Some(said));
            if !is_said {
                written.updates.insert(name, value);
            }
        }
        Ok(written)
    }

    /// The column in which the write edits a nested component.
    fn document(&self) -> Option<&str> {
        match (&self.write.action, &self.table.rule.nested) {
            (Action::Create { .. } | Action::Update { .. } | Action::Delete { .. }, _) => None,
            (_, Some(NestedSpec::Document { column, .. })) => Some(column),
            _ => None,
        }
    }

    /// The row is at another version. Says how what was to be written stands there.
    async fn conflict(&self, transaction: &Transaction<'_>, version: Option<i64>) -> Result<WriteError, Setback> {
        let mut current = BTreeMap::new();
        let named: Vec<&str> = match &self.write.action {
            Action::Update { updates, .. } | Action::NestedUpdate { updates, .. } => {
                updates.keys().map(String::as_str).collect()
            }
            _ => Vec::new(),
        };
        let mut columns = self.document().map_or_else(|| named.clone(), |column| vec![column]);
        columns.retain(|name| self.table.column(name).is_some_and(|column| column.told));
        let row = transaction.query_typed_opt(&self.table.read_columns(&columns), &[self.key()]).await?;
        let values: Vec<Option<String>> = row.map(|row| row.get(0)).unwrap_or_default();
        for (name, value) in columns.iter().zip(values) {
            current.insert((*name).to_owned(), self.value(name, value)?);
        }
        if let Some(document) = self.document().and_then(|column| current.remove(column)) {
            let nested = self.nested_in(document.get()).unwrap_or_default();
            for name in named {
                let value = nested.get(name).map_or_else(|| "null".to_owned(), Value::to_string);
                current.insert(name.to_owned(), raw(value)?);
            }
        }
        if let Some(version) = version {
            current.insert("version".to_owned(), raw(version.to_string())?);
        }
        let known = self.write.action.version().unwrap_or_default();
        Ok(WriteError::Conflict {
            message: format!("it is not at version {known} any more, and nothing was written"),
            current: to_json(&current)?,
        })
    }

    /// The nested component of the write in a document.
    fn nested_in(&self, document: &str) -> Option<Values> {
        let (Action::NestedUpdate { row, nested, .. } | Action::NestedDelete { row, nested, .. }) = &self.write.action
        else {
            return None;
        };
        let Some(NestedSpec::Document { children, .. }) = &self.table.rule.nested else { return None };
        let find = |list: Value, id: &str| {
            let Value::Array(list) = list else { return None };
            list.into_iter().find(|element| match element.get("id") {
                Some(Value::String(text)) => text == id,
                Some(Value::Number(number)) => number.to_string() == id,
                _ => false,
            })
        };
        let mut row = find(serde_json::from_str(document).ok()?, row)?;
        match find(row.get_mut(children)?.take(), nested)? {
            Value::Object(nested) => Some(nested),
            _ => None,
        }
    }

    fn key(&self) -> Parameter<'_> {
        (&self.key, Type::TEXT_ARRAY)
    }

    /// The key of a created row, as events tell it.
    fn id(&self, values: Vec<Option<String>>) -> Result<Box<RawValue>, WriteError> {
        let values: Vec<String> = values.into_iter().flatten().collect();
        match (values.as_slice(), self.table.key.as_slice()) {
            ([value], [name]) => self.value(name, Some(value.clone())),
            _ => {
                let values: Vec<&str> = values.iter().map(String::as_str).collect();
                raw(Value::from(join_key(&values)).to_string())
            }
        }
    }

    /// A column's value, as events tell it.
    fn value(&self, name: &str, text: Option<String>) -> Result<Box<RawValue>, WriteError> {
        let oid = self.table.column(name).map_or(0, |column| column.oid);
        raw(text.map_or_else(|| "null".to_owned(), |text| events::value_to_json(oid, &text)))
    }

    fn not_found(&self) -> WriteError {
        match &self.write.action {
            Action::NestedUpdate { id, row, nested, .. } | Action::NestedDelete { id, row, nested, .. }
                if self.is_child =>
            {
                let prefix = &self.table.rule.prefix;
                WriteError::NotFound(format!(
                    "there is no nested component `{nested}` in row `{row}` of {prefix} `{id}`"
                ))
            }
            _ => {
                not_found(&self.table.rule.prefix, &join_key(&self.key.iter().map(String::as_str).collect::<Vec<_>>()))
            }
        }
    }
}

fn text(text: &String) -> Parameter<'_> {
    (text, Type::TEXT)
}

fn raw(json: String) -> Result<Box<RawValue>, WriteError> {
    RawValue::from_string(json).map_err(|error| WriteError::Internal(format!("a value cannot be told: {error}")))
}

fn to_json(value: &impl serde::Serialize) -> Result<String, WriteError> {
    serde_json::to_string(value).map_err(|error| WriteError::Internal(format!("values cannot be written: {error}")))
}

fn not_found(prefix: &str, id: &str) -> WriteError {
    WriteError::NotFound(format!("there is no {prefix} `{id}`"))
}

/// The row is there, and yet the statement wrote none.
fn prevented() -> WriteError {
    WriteError::Forbidden("the database did not let it be written: a trigger or a policy withheld it".to_owned())
}
