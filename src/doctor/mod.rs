//! Floor 3: looks a database over, and says what is wrong, why it matters and what mends it. One check a file: each judges
//! what [`crate::store::survey`] found, and asks nothing itself.

mod capacity;
mod client_role;
mod clock;
mod finding;
mod keep_size;
mod lag;
mod migrations;
mod opaque_policies;
mod plugin;
mod primary_key;
mod privileges;
mod publication;
mod replica_identity;
mod row_filters;
mod row_security;
mod rules;
mod slot;
mod version;
mod wal_level;

pub use finding::{Finding, Severity};

use crate::{
    replication::Plugin,
    store::{
        Store, StoreError,
        survey::{Subject, Survey},
    },
};

/// What the server that is to be judged is told: the same settings as `walcast serve`.
#[derive(Clone, Debug)]
pub struct Settings {
    pub publication: String,
    pub slot: String,
    pub plugin: Plugin,
    /// The role that sockets act as.
    pub client_role: String,
    /// How much log Postgres holds for clients that come back.
    pub replay_bytes: u64,
}

/// What a check looks at.
struct Case<'a> {
    survey: &'a Survey,
    settings: &'a Settings,
}

/// In the order in which they are told: what is needed first comes first.
const CHECKS: [fn(&Case<'_>) -> Vec<Finding>; 18] = [
    version::check,
    wal_level::check,
    capacity::check,
    migrations::check,
    privileges::check,
    client_role::check,
    publication::check,
    plugin::check,
    row_filters::check,
    slot::check,
    lag::check,
    keep_size::check,
    row_security::check,
    opaque_policies::check,
    primary_key::check,
    replica_identity::check,
    rules::check,
    clock::check,
];

/// What is wrong; nothing where all is well.
///
/// # Errors
/// The database cannot be asked.
pub async fn examine(store: &Store, settings: &Settings) -> Result<Vec<Finding>, StoreError> {
    Ok(judge(&survey(store, settings).await?, settings))
}

/// How the database stands, as far as the settings concern it.
///
/// # Errors
/// The database cannot be asked.
pub async fn survey(store: &Store, settings: &Settings) -> Result<Survey, StoreError> {
    let subject = Subject {
        publication: &settings.publication,
        slot: &settings.slot,
        plugin: &settings.plugin.to_string(),
        client_role: &settings.client_role,
    };
    store.survey(subject).await
}

/// What is wrong with it; nothing where all is well.
pub fn judge(survey: &Survey, settings: &Settings) -> Vec<Finding> {
    let case = Case { survey, settings };
    CHECKS.iter().flat_map(|check| check(&case)).collect()
}

/// `1.5 GiB`, for messages.
fn size(bytes: u64) -> String {
    let units = [("GiB", 30), ("MiB", 20), ("kiB", 10)];
    match units.into_iter().find(|(_, power)| bytes >= 1 << power) {
        Some((unit, power)) => format!("{}.{} {unit}", bytes >> power, ((bytes >> (power - 10)) & 1023) * 10 / 1024),
        None => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_have_units() {
        let shown: Vec<String> = [7, 64 << 20, (3 << 30) + (1 << 29)].into_iter().map(size).collect();
        assert_eq!(shown, ["7 bytes", "64.0 MiB", "3.5 GiB"]);
    }
}
