use crate::decode::Published;

/// The options, as (name, value), with which START_REPLICATION makes wal2json write what [`Wal2Json`](super::Wal2Json)
/// reads. Values are not quoted for SQL. wal2json 2.0 to 2.6 know them all. `add-msg-prefixes` is not among them: every
/// logical message passes, as with pgoutput.
pub fn wal2json_options(published: &Published) -> Vec<(String, String)> {
    let add_tables = published.add_tables();
    [
        ("format-version", "2"),
        ("include-types", "0"),
        ("include-type-oids", "1"),
        ("include-lsn", "1"),
        ("include-timestamp", "1"),
        ("include-xids", "1"),
        ("include-transaction", "1"),
        ("add-tables", &add_tables),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}
