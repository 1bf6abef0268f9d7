use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

use sha2::{Digest, Sha256};

use crate::{
    change::TableName,
    events::{Filter, RowOp},
};

/// What a socket wants to hear of a table. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Interest {
    pub table: TableName,
    /// `None`: whatever is done.
    pub operation: Option<RowOp>,
    pub filter: Arc<Filter>,
    /// The same wherever the same is asked, by any socket of any server: 32 digits.
    pub name: Arc<str>,
}

impl Interest {
    pub fn new(table: TableName, operation: Option<RowOp>, filter: Filter) -> Self {
        let operation_name = operation.map_or("*", RowOp::as_str);
        let said = format!("{:?} {:?} {operation_name} {filter}", table.0, table.1);
        let name: String = Sha256::digest(said).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        Interest { table, operation, filter: Arc::new(filter), name: name.into() }
    }

    fn asked(&self) -> (&TableName, Option<RowOp>, &Filter) {
        (&self.table, self.operation, &self.filter)
    }
}

impl PartialEq for Interest {
    fn eq(&self, other: &Self) -> bool {
        self.asked() == other.asked()
    }
}

impl Eq for Interest {}

impl Hash for Interest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.asked().hash(state);
    }
}
