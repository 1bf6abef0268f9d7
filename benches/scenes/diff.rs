use std::{collections::VecDeque, fmt::Write, hint::black_box};

use walcast::{
    change::{Entry, OldRow, Operation},
    events::{Event, Mapper},
};

use super::{Scene, fixture};

/// The entries of a transaction with one UPDATE, into events: which columns changed, and which nested components.
struct Diff {
    mapper: Mapper,
    transaction: Vec<Entry>,
    prepared: VecDeque<Vec<Entry>>,
    /// How many events tell the change.
    told: usize,
    events: Vec<Event>,
}

/// The document is what it was; other columns changed.
pub fn same_rows() -> Box<dyn Scene> {
    diff(fixture::transaction("update_10kB"), 1)
}

/// In a document of so many rows with five nested components each, one of these changed.
pub fn one_nested_change(rows: usize) -> Box<dyn Scene> {
    let mut transaction = fixture::transaction("update_10kB");
    let change = fixture::change(&mut transaction);
    let column = change.table.column("rows").expect("the document");
    let Operation::Update { old: Some(OldRow::Full(old)), new } = &mut change.operation else {
        panic!("{change:?} tells no old row");
    };
    *old = fixture::with(old, column, &document(rows, "A \\\"quoted\\\" label"));
    let changed = document(rows, "A \\\"quoted\\\" label").replacen("label 3", "other label", 1);
    *new = fixture::with(new, column, &changed);
    // One for the nested component, one for the columns that changed with it.
    diff(transaction, 2)
}

/// As Postgres writes a jsonb.
fn document(rows: usize, label: &str) -> String {
    let mut text = String::from("[");
    for row in 0..rows {
        let separator = if row == 0 { "" } else { ", " };
        write!(text, r#"{separator}{{"id": "row-{row}", "components": ["#).expect("a text takes all");
        for cell in 0..5 {
            let separator = if cell == 0 { "" } else { ", " };
            write!(text, r#"{separator}{{"id": "cell-{row}-{cell}", "type": "text", "label": "{label} {cell}"}}"#)
                .expect("a text takes all");
        }
        text.push_str("]}");
    }
    text.push(']');
    text
}

fn diff(transaction: Vec<Entry>, told: usize) -> Box<dyn Scene> {
    let (mapper, prepared, events) = (fixture::mapper(), VecDeque::new(), Vec::new());
    Box::new(Diff { mapper, transaction, prepared, told, events })
}

impl Scene for Diff {
    fn prepare(&mut self) {
        self.prepared.push_back(self.transaction.clone());
    }

    fn run(&mut self) {
        for entry in self.prepared.pop_front().expect("it was prepared") {
            self.mapper.map(entry, &mut self.events).expect("a change that can be told");
        }
        assert_eq!(black_box(&self.events).len(), self.told);
        self.events.clear();
    }
}
