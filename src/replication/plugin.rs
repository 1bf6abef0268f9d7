use std::{fmt, str::FromStr};

/// The output plugin that turns the log into messages, on the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Plugin {
    /// Comes with Postgres.
    #[default]
    PgOutput,
    /// An extension: <https://github.com/eulerto/wal2json>.
    Wal2Json,
}

/// A name that is no plugin's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("plugin `{0}` is unknown: use pgoutput or wal2json")]
pub struct UnknownPlugin(String);

impl FromStr for Plugin {
    type Err = UnknownPlugin;

    fn from_str(text: &str) -> Result<Self, UnknownPlugin> {
        match text {
            "pgoutput" => Ok(Plugin::PgOutput),
            "wal2json" => Ok(Plugin::Wal2Json),
            other => Err(UnknownPlugin(other.to_owned())),
        }
    }
}

impl fmt::Display for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Plugin::PgOutput => "pgoutput",
            Plugin::Wal2Json => "wal2json",
        })
    }
}
