use std::ops::Range;

/// What stands before the values of a row's columns. Rows of one table mostly follow each other: who knows it from the last
/// one need not take it apart again.
#[derive(Clone, Debug, Default)]
pub(super) struct Labels(Vec<Label>);

/// `{"name":"id","typeoid":2950,"value":`
#[derive(Clone, Debug, Default)]
pub(super) struct Label {
    pub written: Vec<u8>,
    /// Where the name stands in it, which has no escapes.
    pub name: Range<usize>,
    pub typeoid: u32,
}

impl Labels {
    /// The label of the column that had this number in its row.
    pub fn get(&self, number: usize) -> Option<&Label> {
        // A column that never was has none.
        self.0.get(number).filter(|label| !label.written.is_empty())
    }

    pub fn put(&mut self, number: usize, written: &[u8], name: Range<usize>, typeoid: u32) {
        if self.0.len() <= number {
            self.0.resize_with(number + 1, Label::default);
        }
        if let Some(label) = self.0.get_mut(number) {
            label.written.clear();
            label.written.extend_from_slice(written);
            (label.name, label.typeoid) = (name, typeoid);
        }
    }
}
