use std::fmt;

use super::Cell;

/// A version of a row: one cell for each of [`Table::columns`](super::Table::columns), in that order.
///
/// Its texts are one piece of memory, and its own: what keeps a row keeps nothing else of the log.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Row {
    /// Of all cells, one behind the other.
    texts: Box<str>,
    cells: Box<[Packed]>,
}

/// What a cell is, in two bits, and above them where its text ends; one without a text ends where the one before it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Packed(usize);

const TEXT: usize = 0;
const NULL: usize = 1;
const UNCHANGED: usize = 2;
const ABSENT: usize = 3;

impl Packed {
    fn new(cell: Cell<'_>, end: usize) -> Self {
        let kind = match cell {
            Cell::Text(_) => TEXT,
            Cell::Null => NULL,
            Cell::Unchanged => UNCHANGED,
            Cell::Absent => ABSENT,
        };
        Packed(end << 2 | kind)
    }

    fn end(self) -> usize {
        self.0 >> 2
    }
}

impl Row {
    /// The cell of a column by its index in the table; [`Cell::Absent`] past the end.
    #[inline]
    pub fn cell(&self, column: usize) -> Cell<'_> {
        let Some(cell) = self.cells.get(column) else { return Cell::Absent };
        match cell.0 & 3 {
            TEXT => {
                let start = column.checked_sub(1).and_then(|before| self.cells.get(before));
                Cell::Text(self.texts.get(start.map_or(0, |start| start.end())..cell.end()).unwrap_or_default())
            }
            NULL => Cell::Null,
            UNCHANGED => Cell::Unchanged,
            _ => Cell::Absent,
        }
    }

    /// The row with these cells only; the log does not say the others.
    pub fn only(&self, is_kept: impl Fn(usize) -> bool) -> Row {
        let kept = || self.cells().enumerate().map(|(column, cell)| if is_kept(column) { cell } else { Cell::Absent });
        let texts = kept().map(|cell| cell.text().map_or(0, str::len)).sum();
        Row::put_together(String::with_capacity(texts), kept())
    }

    fn put_together<'a>(mut texts: String, cells: impl Iterator<Item = Cell<'a>>) -> Row {
        let packed = cells.map(|cell| {
            texts.push_str(cell.text().unwrap_or_default());
            Packed::new(cell, texts.len())
        });
        let cells = packed.collect();
        Row { texts: texts.into(), cells }
    }

    pub fn cells(&self) -> impl ExactSizeIterator<Item = Cell<'_>> {
        (0..self.len()).map(|column| self.cell(column))
    }

    /// How many cells it has.
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether there is no such row.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// What it takes on the heap, in bytes.
    pub fn bytes(&self) -> usize {
        self.texts.len() + size_of_val(&*self.cells)
    }
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.cells()).finish()
    }
}

impl<'a> FromIterator<Cell<'a>> for Row {
    fn from_iter<T: IntoIterator<Item = Cell<'a>>>(cells: T) -> Self {
        Row::put_together(String::new(), cells.into_iter())
    }
}

/// Puts rows together, cell by cell. It keeps its own memory from one row to the next, but for what an uncommonly long one took.
#[derive(Clone, Debug, Default)]
pub struct RowBuilder {
    texts: Vec<u8>,
    cells: Vec<Packed>,
}

/// How long the texts of a row commonly are at the most, in bytes.
const COMMON: usize = 64 * 1024;

/// The text of a cell, given by its index, is not UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CellNotUtf8(pub usize);

impl RowBuilder {
    #[inline]
    pub fn push(&mut self, cell: Cell<'_>) {
        self.texts.extend_from_slice(cell.text().unwrap_or_default().as_bytes());
        self.cells.push(Packed::new(cell, self.texts.len()));
    }

    /// Adds a text that is not known to be one yet: [`finish`](Self::finish) looks at all of them together.
    #[inline]
    pub fn push_text(&mut self, text: &[u8]) {
        self.texts.extend_from_slice(text);
        self.cells.push(Packed::new(Cell::Text(""), self.texts.len()));
    }

    /// The row, exactly as large as it is; what comes next is another one.
    ///
    /// # Errors
    /// The first cell whose text is none.
    pub fn finish(&mut self) -> Result<Row, CellNotUtf8> {
        let row = match str::from_utf8(&self.texts) {
            // A character must not begin in one cell and end in the next.
            Ok(texts) => match self.cells.iter().position(|cell| !texts.is_char_boundary(cell.end())) {
                Some(cut) => Err(CellNotUtf8(cut)),
                None => Ok(Row { texts: texts.into(), cells: self.cells.as_slice().into() }),
            },
            Err(error) => {
                let valid = error.valid_up_to();
                Err(CellNotUtf8(self.cells.iter().take_while(|cell| cell.end() <= valid).count()))
            }
        };
        self.clear();
        row
    }

    /// Gives up what was put together.
    pub fn clear(&mut self) {
        self.texts.clear();
        self.texts.shrink_to(COMMON);
        self.cells.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_gives_its_cells_back() {
        let cells = [Cell::Null, Cell::from(""), Cell::from("a"), Cell::Unchanged, Cell::from("bcé"), Cell::Absent];
        let row: Row = cells.into_iter().collect();
        assert_eq!(row.cells().collect::<Vec<_>>(), cells);
        assert_eq!(row.cell(6), Cell::Absent, "past the end");
        assert_eq!(row.bytes(), "abcé".len() + 6 * size_of::<usize>());
        assert!(Row::default().is_empty() && Row::default().bytes() == 0);
    }

    #[test]
    fn a_row_of_some_cells_has_no_more_than_their_texts() {
        let row: Row = [Cell::from("a"), Cell::Null, Cell::from("bc"), Cell::from("d")].into_iter().collect();
        let some = row.only(|column| column % 2 == 1);
        assert_eq!(some, [Cell::Absent, Cell::Null, Cell::Absent, Cell::from("d")].into_iter().collect());
        assert_eq!(row.bytes() - some.bytes(), "abc".len());
    }

    #[test]
    fn rows_are_alike_if_their_cells_are() {
        let row = |cells: &[&str]| cells.iter().map(|text| Cell::from(*text)).collect::<Row>();
        assert_eq!(row(&["a", "bc"]), row(&["a", "bc"]));
        assert_ne!(row(&["a", "bc"]), row(&["ab", "c"]), "the same texts, cut elsewhere");
        assert_ne!(row(&[""]), [Cell::Null].into_iter().collect());
    }

    #[test]
    fn a_builder_forgets_the_row_before() {
        let mut builder = RowBuilder::default();
        builder.push(Cell::from("a"));
        assert_eq!(builder.finish(), Ok([Cell::from("a")].into_iter().collect()));
        builder.push(Cell::from("given up"));
        builder.clear();
        builder.push(Cell::Null);
        assert_eq!(builder.finish(), Ok([Cell::Null].into_iter().collect()));
    }

    #[test]
    fn a_builder_does_not_keep_what_a_long_row_took() {
        let mut builder = RowBuilder::default();
        builder.push_text(&[b'x'; 4 * COMMON]);
        assert!(builder.finish().is_ok_and(|row| row.bytes() > 4 * COMMON));
        assert!(builder.texts.capacity() <= COMMON);
    }

    #[test]
    fn a_text_that_is_none_is_found_even_where_the_next_would_mend_it() {
        let mut builder = RowBuilder::default();
        let euro = "€".as_bytes();
        for (cells, cut) in [
            ([euro, b"a", &euro[..1]], 2),
            ([b"", &euro[..1], &euro[1..]], 1),
            ([b"\xff", b"", b""], 0),
            ([b"a", b"b", b"\x80"], 2),
        ] {
            cells.iter().for_each(|text| builder.push_text(text));
            assert_eq!(builder.finish(), Err(CellNotUtf8(cut)), "{cells:?}");
        }
        builder.push_text(euro);
        assert_eq!(builder.finish(), Ok([Cell::from("€")].into_iter().collect()));
    }
}
