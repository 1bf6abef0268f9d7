//! Quoting for SQL and for replication commands, which share its rules.

/// An identifier in double quotes.
pub fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A string literal of a replication command or of SQL under `standard_conforming_strings`, the default.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_doubled() {
        assert_eq!(identifier("Mi\"xEd"), "\"Mi\"\"xEd\"");
        assert_eq!(literal(r"it's \ "), r"'it''s \ '");
    }
}
