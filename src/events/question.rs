use std::sync::Arc;

use super::{Guard, Link, Values};

/// Something that only Postgres knows.
#[derive(Clone, Debug)]
pub struct Question {
    /// The claims of a token, as JSON: `request.jwt.claims`.
    pub claims: Arc<str>,
    pub guard: Arc<Guard>,
    pub about: About,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum About {
    /// Whether a version of a row may be seen.
    Row(Values),
    /// Whether the row of this key, as its room is named, may be seen as it stands now.
    Key(String),
    /// What the expression of a link makes of the claims.
    Link(Link),
}

/// What Postgres said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Seen(bool),
    /// The value of a link, as the log would tell it.
    Value(Option<String>),
}
