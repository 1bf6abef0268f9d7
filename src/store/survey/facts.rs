use std::sync::Arc;

use serde::Deserialize;

use super::Library;
use crate::{
    change::{self, Column},
    events::RuleSpec,
};

/// How a database stands, as far as it is walcast's affair.
#[derive(Clone, Debug)]
pub struct Survey {
    pub clock: Clock,
    pub server: Server,
    pub schema: Schema,
    /// What the role may not do.
    pub lacks: Vec<Lack>,
    pub publication: Publication,
    /// What is published, without walcast's own tables.
    pub tables: Vec<Table>,
    /// `None`: it is not there.
    pub slot: Option<Slot>,
    pub library: Library,
    /// Those that can be followed; empty where they cannot be read.
    pub rules: Vec<RuleSpec>,
    /// What is wrong with each of the others, and what mends it.
    pub refused_rules: Vec<String>,
    /// `None`: it is not there.
    pub client_role: Option<ClientRole>,
    /// The published tables of which not everyone may hear everything.
    pub guards: Vec<super::GuardFacts>,
}

/// The two clocks, in milliseconds since 1970: this machine's before and after the database's was read.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    pub before: i64,
    pub database: i64,
    pub after: i64,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Server {
    /// `server_version_num`: 150018 is 15.18.
    pub version: u32,
    pub wal_level: String,
    pub max_slots: u32,
    pub used_slots: u32,
    pub max_senders: u32,
    pub used_senders: u32,
    /// `max_slot_wal_keep_size` in bytes; `None`: no bound.
    pub keep_bytes: Option<u64>,
    pub database: String,
    /// Whom the database takes us for.
    pub role: String,
    pub may_replicate: bool,
}

/// Schema walcast against this version of walcast.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Schema {
    Current,
    /// The migrations are this version's; functions or views are not.
    OtherText,
    /// What is wrong, with what to do.
    Refused(String),
}

/// A privilege that the role has not.
#[derive(Clone, Debug, Deserialize)]
pub struct Lack {
    pub purpose: Purpose,
    /// `table public.orders`.
    pub target: String,
    /// `INSERT, UPDATE`.
    pub privileges: String,
    /// The statement that gives them.
    pub grant: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// walcast's own tables and functions.
    Own,
    /// Rows that are fetched over HTTP.
    Read,
    /// What sockets may write by a rule.
    Write,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Publication {
    pub exists: bool,
    pub insert: bool,
    pub update: bool,
    pub delete: bool,
    /// Whether `walcast.rules` is in it.
    pub rules: bool,
    /// Whether `walcast serve` can make it, or put the rules into it.
    pub may_mend: bool,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Table {
    pub schema: String,
    pub name: String,
    pub is_filtered: bool,
    /// On for the table or one of its partitions.
    pub row_security: bool,
    pub policies: u32,
    pub columns: Vec<TableColumn>,
    /// The columns of the primary key; none: it has none.
    pub key: Vec<String>,
    /// Of itself, or of its partitions where changes are told as the root's.
    pub identities: Vec<ReplicaIdentity>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct TableColumn {
    pub name: String,
    pub type_oid: u32,
    /// Whether it is published.
    pub told: bool,
}

/// The replica identity of one table in the log.
#[derive(Clone, Debug, Deserialize)]
pub struct ReplicaIdentity {
    pub schema: String,
    pub name: String,
    /// `d` default, `n` nothing, `f` full, `i` index.
    pub kind: char,
    /// Whether there are columns that identify a row: else Postgres refuses UPDATE and DELETE.
    pub works: bool,
    /// Columns of it that the publication's list leaves out: with any, Postgres refuses UPDATE and DELETE.
    pub hidden: Vec<String>,
}

/// A row of `pg_replication_slots`.
#[derive(Clone, Debug, Deserialize)]
pub struct Slot {
    pub slot_name: String,
    /// `None`: a physical slot.
    pub plugin: Option<String>,
    pub slot_type: String,
    pub database: Option<String>,
    /// Whether it is this database's.
    pub here: Option<bool>,
    pub active: bool,
    /// `reserved`, `extended`, `unreserved`, `lost`; `None` where it holds nothing.
    pub wal_status: Option<String>,
    /// Since 17.
    pub invalidation_reason: Option<String>,
    /// 16 and later.
    pub conflicting: Option<bool>,
    /// Log on disk for it: to the log's end from `restart_lsn`.
    pub held_bytes: Option<i64>,
    /// Log that it has not confirmed.
    pub behind_bytes: Option<i64>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct ClientRole {
    pub name: String,
    pub can_login: bool,
    /// What lets it pass by row security: itself, or roles it is a member of.
    pub above: Vec<Above>,
    /// Published tables that it owns.
    pub owns: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Above {
    pub role: String,
    /// `SUPERUSER` or `BYPASSRLS`.
    pub attribute: String,
}

/// `schema.name`, unquoted, for messages.
impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.schema, self.name)
    }
}

impl Table {
    /// As the log would describe it.
    pub fn told(&self) -> Arc<change::Table> {
        let told = self.columns.iter().filter(|column| column.told);
        Arc::new(change::Table {
            schema: self.schema.as_str().into(),
            name: self.name.as_str().into(),
            oid: None,
            columns: told
                .map(|column| Column { name: column.name.as_str().into(), type_oid: column.type_oid })
                .collect(),
            key: None,
        })
    }
}
