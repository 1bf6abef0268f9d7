use super::binding::Unbound;

/// Why changes of a layout of a table are not told, or not told in full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Unbound(Unbound),
    PrefixTaken(String),
    MissingColumn(String),
    /// The row has no key: NULL, or the log does not say it.
    RowWithoutKey,
    /// The change was told, but whether the row was nested elsewhere the log did not say.
    RowWithoutPlace,
    /// The text of the named column is not of its type.
    Corrupt(String),
}

impl Fault {
    /// What is wrong, and what to do.
    pub fn explain(&self) -> (String, String) {
        let (what, remedy) = match self {
            Fault::Unbound(Unbound::NoKey) => (
                "it has neither a primary key nor a rule that names an id, so its changes are not told".to_owned(),
                "add a primary key, or name a unique column with walcast.broadcast_table(…, id => '…')",
            ),
            Fault::Unbound(Unbound::Gone) => (
                "it was dropped before walcast came to its changes, so its key is not known, and who follows it is told to fetch again"
                    .to_owned(),
                "there is nothing to mend",
            ),
            Fault::Unbound(Unbound::MissingId(column)) => (
                format!("its id is in column {column}, which is not published, so its changes are not told"),
                "add the column to the table's list in the publication, or name another id with walcast.broadcast_table()",
            ),
            Fault::Unbound(Unbound::NotJson(column)) => (
                format!("its rule looks for nested components in column {column}, which is neither json nor jsonb, so its changes are not told"),
                "name a jsonb column in nested, with walcast.broadcast_table()",
            ),
            Fault::Unbound(Unbound::CompositeParent) => (
                "its rows nest in rows that several columns identify, which one parent column cannot name, so its changes are not told"
                    .to_owned(),
                "name a single unique column with walcast.broadcast_table(…, id => '…')",
            ),
            Fault::PrefixTaken(prefix) => (
                format!("its name `{prefix}` is the prefix of another table's rule, so its changes are not told"),
                "give it a rule with a prefix of its own with walcast.broadcast_table()",
            ),
            Fault::MissingColumn(column) => (
                format!("its rule names column {column}, which is not published or does not exist, so its changes are not told"),
                "publish the column, or mend the rule with walcast.broadcast_table()",
            ),
            Fault::RowWithoutKey => (
                "a row does not say its id (NULL, or left out of the log), so such changes are not told".to_owned(),
                "make the id column NOT NULL and part of the replica identity: ALTER TABLE … REPLICA IDENTITY FULL",
            ),
            Fault::RowWithoutPlace => (
                "the log does not say where a nested row stood before a change, so who follows its parent may miss it"
                    .to_owned(),
                "ALTER TABLE … REPLICA IDENTITY FULL",
            ),
            Fault::Corrupt(column) => (
                format!("the value of column {column} is not of its type, so such changes are not told"),
                "read the row in SQL; if the column is sound there, report it with this position",
            ),
        };
        (what, remedy.to_owned())
    }
}
