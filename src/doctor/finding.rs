use serde::Serialize;

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The check that found it: `wal_level`.
    pub name: &'static str,
    pub severity: Severity,
    /// What is wrong, with the names concerned.
    pub what: String,
    /// Why it matters.
    pub why: String,
    /// The SQL or the setting that mends it.
    pub remedy: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Something does not work, or is not safe.
    Error,
    /// It works, and there is a trap or a loss in it.
    Warning,
    /// Good to know.
    Note,
}

impl Finding {
    pub(super) fn error(name: &'static str, what: impl Into<String>, why: &str, remedy: impl Into<String>) -> Self {
        Finding::new(Severity::Error, name, what.into(), why, remedy.into())
    }

    pub(super) fn warning(name: &'static str, what: impl Into<String>, why: &str, remedy: impl Into<String>) -> Self {
        Finding::new(Severity::Warning, name, what.into(), why, remedy.into())
    }

    pub(super) fn note(name: &'static str, what: impl Into<String>, why: &str, remedy: impl Into<String>) -> Self {
        Finding::new(Severity::Note, name, what.into(), why, remedy.into())
    }

    fn new(severity: Severity, name: &'static str, what: String, why: &str, remedy: String) -> Self {
        Finding { name, severity, what, why: why.to_owned(), remedy }
    }
}

impl std::fmt::Display for Severity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        })
    }
}
