use bytestring::ByteString;

/// A table as the log described it at one point of the stream. DDL makes a new one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    pub schema: ByteString,
    pub name: ByteString,
    /// `pg_class.oid`, where the plugin says it: unlike the name it stays what it is.
    pub oid: Option<u32>,
    /// In the order of the log. Columns that the publication leaves out are not in it.
    pub columns: Vec<Column>,
    /// The columns of the primary key, in the table's order, where the plugin says them: pgoutput does under replica
    /// identity DEFAULT, of those that are published.
    pub key: Option<Vec<ByteString>>,
}

/// Schema and name of a table.
pub type TableName = (ByteString, ByteString);

/// A column of a [`Table`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    pub name: ByteString,
    /// The type's oid (`pg_type.oid`): it decides how the text becomes JSON.
    pub type_oid: u32,
}

impl Table {
    pub fn full_name(&self) -> TableName {
        (self.schema.clone(), self.name.clone())
    }

    /// The index of a column by its exact name.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }
}

/// `schema.name`, unquoted: for messages to people, not for SQL.
impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.schema, self.name)
    }
}
