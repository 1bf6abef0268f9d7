/// One column's value in one version of a row, as [`Row`](super::Row) lends it.
///
/// The last three are three different things, and only the first of them is a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell<'a> {
    /// The value in Postgres's text format, as `psql` would show it under the session settings that
    /// `replication` pins: `t`, `12.50`, `\x00ff`, `{1,NULL,3}`, `2026-11-23 02:28:00.133275+00`.
    Text(&'a str),
    /// SQL NULL.
    Null,
    /// An out-of-line (TOAST) value that an UPDATE did not touch: it has a value, and the log does not repeat it.
    Unchanged,
    /// The log does not say: a column outside the replica identity in an old row, or outside a column list.
    Absent,
}

impl<'a> Cell<'a> {
    /// The value's text, or `None` for NULL and for what the log does not say.
    pub fn text(self) -> Option<&'a str> {
        match self {
            Cell::Text(text) => Some(text),
            Cell::Null | Cell::Unchanged | Cell::Absent => None,
        }
    }

    /// Whether the log says what the column holds (a text or NULL).
    pub fn is_known(self) -> bool {
        matches!(self, Cell::Text(_) | Cell::Null)
    }
}

impl<'a> From<&'a str> for Cell<'a> {
    fn from(text: &'a str) -> Self {
        Cell::Text(text)
    }
}
