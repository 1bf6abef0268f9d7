use deadpool_postgres::Object;
use tokio_postgres::types::Type;

use super::{Action, Values, WriteError, refusal::Setback};
use crate::{
    events::{NestedSpec, RuleSpec},
    store::rule_table::{Column, DESCRIBES, RuleTable, key, lacks_client},
};

/// A table as writes know it: its rule, and its columns.
#[derive(Debug)]
pub struct WriteTable {
    pub rule: RuleSpec,
    /// Another one: the rule has changed.
    pub mark: String,
    pub columns: Vec<Column>,
    /// Whether sockets act as a role of their own on it.
    pub is_guarded: bool,
    /// The columns that name a row; never empty.
    pub key: Vec<String>,
}

impl WriteTable {
    pub async fn read(client: &Object, prefix: &str, publication: &str, role: &str) -> Result<Self, Setback> {
        let parameters = [prefix, publication, role];
        let parameters = parameters.each_ref().map(|text| (text as _, Type::TEXT));
        let Some(row) = client.query_typed_opt(DESCRIBES, &parameters).await? else {
            return Err(forbidden(prefix, None).into());
        };
        let RuleTable { rule, mark, is_guarded, has_client, columns, primary_key, .. } = RuleTable::from_row(&row)?;
        let rule =
            rule.map_err(|error| WriteError::Internal(format!("the rule of `{prefix}` cannot be read: {error}")))?;
        if lacks_client(&rule, is_guarded, has_client, role) {
            return Err(WriteError::Forbidden("sockets may not write this table".to_owned()).into());
        }
        match key(&rule, primary_key) {
            Some(key) if !columns.is_empty() => Ok(WriteTable { rule, mark, columns, is_guarded, key }),
            _ => Err(WriteError::Internal(format!("the table of `{prefix}` is gone, or has no key")).into()),
        }
    }

    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// Whether the rule lets sockets do this.
    pub fn check(&self, action: &Action) -> Result<(), WriteError> {
        let rule = &self.rule;
        let writable = rule.writable.as_deref().ok_or_else(|| forbidden(&rule.prefix, Some(rule)))?;
        if action.version().is_some() && rule.version_column.is_none() {
            return Err(invalid(format!("`{}` has no version to compare with", rule.prefix)));
        }
        match action {
            Action::Create { entity, values } => {
                if entity.is_some() != rule.entity_id_column.is_some() {
                    let needs = if entity.is_some() { "belongs to no entity" } else { "needs entityType and entityId" };
                    return Err(invalid(format!("`{}` {needs}", rule.prefix)));
                }
                let by_ids = [&rule.entity_type_column, &rule.entity_id_column];
                if let Some(twice) = values.keys().find(|name| by_ids.contains(&&Some((*name).clone()))) {
                    return Err(invalid(format!("`{twice}` is said by entityType and entityId")));
                }
                self.check_values(values, writable)
            }
            Action::Update { updates, .. } if updates.is_empty() => {
                Err(invalid("`updates` names no column".to_owned()))
            }
            Action::Update { updates, .. } => self.check_values(updates, writable),
            Action::Delete { .. } => Ok(()),
            Action::NestedCreate { nested: values, .. } | Action::NestedUpdate { updates: values, .. } => {
                self.check_nested(values, writable)
            }
            Action::NestedDelete { .. } => self.check_nested(&Values::new(), writable),
        }
    }

    fn check_nested(&self, values: &Values, writable: &[String]) -> Result<(), WriteError> {
        match &self.rule.nested {
            None => Err(invalid(format!("`{}` nests no components", self.rule.prefix))),
            Some(NestedSpec::Document { column, .. }) if !writable.contains(column) => {
                Err(WriteError::Forbidden(format!("sockets may not set `{column}`, which holds the nested components")))
            }
            Some(NestedSpec::Document { .. }) => Ok(()),
            Some(NestedSpec::ChildRows { .. }) => self.check_values(values, writable),
        }
    }

    fn check_values(&self, values: &Values, writable: &[String]) -> Result<(), WriteError> {
        let names = |names: Vec<&String>| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let (unknown, known): (Vec<_>, Vec<_>) = values.keys().partition(|name| self.column(name).is_none());
        let kept: Vec<_> = known.into_iter().filter(|name| !writable.contains(name)).collect();
        match (unknown.is_empty(), kept.is_empty()) {
            (false, _) => return Err(invalid(format!("`{}` has no column {}", self.rule.prefix, names(unknown)))),
            (_, false) => return Err(invalid(format!("sockets may not set {}", names(kept)))),
            _ => {}
        }
        let is_text = |name: &str| self.column(name).is_some_and(|column| column.is_text);
        let odd = values.iter().find(|(name, value)| !value.is_null() && !value.is_string() && is_text(name));
        odd.map_or(Ok(()), |(name, value)| Err(invalid(format!("`{name}` is a text, and {value:.80} is none"))))
    }
}

fn invalid(message: String) -> WriteError {
    WriteError::Invalid(message)
}

fn forbidden(prefix: &str, rule: Option<&RuleSpec>) -> WriteError {
    let table = rule.map_or("…".to_owned(), |rule| format!("{}.{}", rule.schema_name, rule.table_name));
    WriteError::Forbidden(format!(
        "sockets may not write `{prefix}`: a rule has to name the columns that they may set, by SELECT \
         walcast.broadcast_table('{table}', prefix => '{prefix}', …, writable => ARRAY['…'])"
    ))
}
