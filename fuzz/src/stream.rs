use crate::{
    change::{Entry, Lsn, OldRow, Operation},
    decode::Decoder,
};

/// Decodes the stream to its end, through errors too, and checks what every entry promises.
pub fn run(mut decoder: impl Decoder, mut data: &[u8]) {
    let mut out = Vec::new();
    while let Some((len, rest)) = data.split_first_chunk() {
        let (payload, rest) = rest.split_at(rest.len().min(u16::from_be_bytes(*len).into()));
        let _ = decoder.decode(Lsn::ZERO, payload, &mut out);
        data = rest;
    }
    for entry in out {
        let Entry::Change(change) = entry else { continue };
        let cells = |row: &crate::change::Row| assert_eq!(row.len(), change.table.columns.len());
        match &change.operation {
            Operation::Insert { new } => cells(new),
            Operation::Update { old, new } => {
                cells(new);
                old.iter().map(OldRow::row).for_each(cells);
            }
            Operation::Delete { old } => cells(old.row()),
            Operation::Truncate => {}
        }
    }
}
