use serde::{Deserialize, Serialize};

/// How a table is broadcast: a row of `walcast.rules`, as JSON with the columns for keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleSpec {
    pub schema_name: String,
    pub table_name: String,
    /// Begins the names of the events and of the rooms: `component` makes `component:updated` and `component:{id}`.
    pub prefix: String,
    /// The column that names a row; `None`: the primary key.
    #[serde(default)]
    pub id_column: Option<String>,
    /// This and [`entity_id_column`](Self::entity_id_column) name what a row belongs to: both or neither.
    #[serde(default)]
    pub entity_type_column: Option<String>,
    #[serde(default)]
    pub entity_id_column: Option<String>,
    /// Who wrote the row last.
    #[serde(default)]
    pub actor_column: Option<String>,
    /// Who made the row.
    #[serde(default)]
    pub creator_column: Option<String>,
    #[serde(default)]
    pub version_column: Option<String>,
    #[serde(default)]
    pub nested: Option<NestedSpec>,
    /// The columns that sockets may set; `None`: sockets write nothing.
    #[serde(default)]
    pub writable: Option<Vec<String>>,
    /// Updates of one row within so many milliseconds are told as one.
    #[serde(default)]
    pub throttle_ms: Option<u32>,
}

/// Where the nested components of a table are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum NestedSpec {
    /// In a json or jsonb column: `[{"id": …, "<children>": [{"id": …}]}]`.
    Document { column: String, children: String },
    /// Rows of the same table: `parent` names the component they are nested in (NULL: none) and `row` their place in it.
    ChildRows { parent: String, row: String },
}

/// A rule that cannot be followed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the rule of table {table} is refused: {fault}; mend it with walcast.broadcast_table()")]
pub struct RuleError {
    /// `schema.name`.
    pub table: String,
    #[source]
    pub fault: RuleFault,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleFault {
    #[error("its prefix is empty")]
    EmptyPrefix,
    #[error("its prefix `{0}` holds a `:`, which is where a prefix ends in the name of a room")]
    ColonInPrefix(String),
    #[error("its prefix `{0}` is reserved for rooms that are not a row's")]
    ReservedPrefix(String),
    #[error("its prefix `{0}` would give a payload two members of one name")]
    AmbiguousPrefix(String),
    #[error("its prefix `{prefix}` is that of table {other} already, and their rooms would mix")]
    PrefixTaken { prefix: String, other: String },
    #[error("the table has a rule already")]
    SecondRule,
    #[error("it names only one of entity_type_column and entity_id_column")]
    HalfAnEntity,
    #[error(
        "its nested components cannot be found by `{0}` and `{1}`: `id` names each of them, and parent and row are two columns"
    )]
    Nested(String, String),
}

/// Prefixes that begin rooms other than a row's, or what is heard of whole tables: nobody may come to be heard there by way of
/// a rule or a table's name.
const RESERVED: [&str; 3] = ["user", "entity", "changes"];

/// Whether no rule may have this prefix and nobody may subscribe under it.
pub fn is_reserved(prefix: &str) -> bool {
    RESERVED.contains(&prefix)
}

/// Members of payloads that are named alike for every prefix.
const MEMBERS: [&str; 10] = [
    "createdBy",
    "deletedBy",
    "entityId",
    "entityType",
    "offset",
    "reason",
    "timestamp",
    "updatedBy",
    "updates",
    "version",
];

impl RuleSpec {
    /// What is wrong with the rule by itself, whatever the table's columns and the other rules are.
    pub(super) fn check(&self) -> Result<(), RuleError> {
        let prefix = self.prefix.as_str();
        let fault = if prefix.is_empty() {
            RuleFault::EmptyPrefix
        } else if prefix.contains(':') {
            RuleFault::ColonInPrefix(prefix.to_owned())
        } else if is_reserved(prefix) {
            RuleFault::ReservedPrefix(prefix.to_owned())
        } else if MEMBERS.contains(&prefix) || self.nested.is_some() && matches!(prefix, "row" | "nestedComponent") {
            RuleFault::AmbiguousPrefix(prefix.to_owned())
        } else if self.entity_type_column.is_some() != self.entity_id_column.is_some() {
            RuleFault::HalfAnEntity
        } else {
            match &self.nested {
                // Rows and nested components are both told apart by their `id`.
                Some(NestedSpec::Document { column, children }) if children == "id" => {
                    RuleFault::Nested(column.clone(), children.clone())
                }
                Some(NestedSpec::ChildRows { parent, row }) if parent == row => {
                    RuleFault::Nested(parent.clone(), row.clone())
                }
                _ => return Ok(()),
            }
        };
        Err(self.error(fault))
    }

    pub(super) fn error(&self, fault: RuleFault) -> RuleError {
        RuleError { table: format!("{}.{}", self.schema_name, self.table_name), fault }
    }
}
