//! What of a table's rows somebody wants to hear of: conditions on columns, as a text says them, decided on the texts that the
//! log gives.
//!
//! A [`Filter`] is [parsed](Filter::parse) once, [checked](Filter::check) or [bound](Filter::bind) to a layout of its table,
//! and then decides rows. It decides as SQL's WHERE does, with the values compared by their types. What the log
//! does not say it leaves [`Verdict::Unknown`]: whoever tells of rows tells those too.

mod decimal;
mod instant;
mod like;
mod parse;
mod value;
mod write;

#[cfg(test)]
mod tests;

use std::cmp::Ordering;

use crate::change::{Cell, Table};

use like::Pattern;
pub use parse::FilterError;
use value::Kind;
pub use value::Value;

/// Conditions on the columns of a row, all of which must hold. Two that say the same are equal, in whatever order and words
/// they were said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Filter {
    /// Sorted, each once.
    conditions: Vec<Condition>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Condition {
    column: String,
    negated: bool,
    operator: Operator,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Operator {
    /// Sorted, each once, never empty: `eq` and `in`.
    OneOf(Vec<String>),
    Compare(Comparison, String),
    Like(String),
    Ilike(String),
    Is(Is),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Comparison {
    Gt,
    Gte,
    Lt,
    Lte,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Is {
    Null,
    True,
    False,
    Unknown,
}

/// Whether a row is one of those that a filter lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Yes,
    No,
    /// The log does not say a column that decides.
    Unknown,
}

/// A filter on the rows of one layout of a table.
#[derive(Clone, Debug)]
pub struct BoundFilter {
    conditions: Vec<Bound>,
}

#[derive(Clone, Debug)]
struct Bound {
    /// `None`: the layout has no such column, or the condition does not fit its type, so nobody knows whether it holds.
    test: Option<(usize, Kind, Test)>,
    negated: bool,
}

#[derive(Clone, Debug)]
enum Test {
    OneOf(Vec<Value>),
    Compare(Comparison, Value),
    Like(Pattern),
    IsNull,
    IsBool(Value),
}

impl Filter {
    /// Whether it lets every row through.
    pub fn is_empty(&self) -> bool {
        self.conditions.is_empty()
    }

    /// Whether each condition can be decided on rows of the table.
    ///
    /// # Errors
    /// Which condition cannot be, and why.
    pub fn check(&self, table: &Table) -> Result<(), FilterError> {
        self.conditions.iter().try_for_each(|condition| condition.bind(table).map(drop))
    }

    /// The filter for rows of the table. A condition that does not fit it is left undecided.
    pub fn bind(&self, table: &Table) -> BoundFilter {
        let bound = |condition: &Condition| Bound { test: condition.bind(table).ok(), negated: condition.negated };
        BoundFilter { conditions: self.conditions.iter().map(bound).collect() }
    }
}

impl Condition {
    fn bind(&self, table: &Table) -> Result<(usize, Kind, Test), FilterError> {
        let error = |what: String| FilterError(format!("`{}` {what}", self.column));
        let index = table.column(&self.column).ok_or_else(|| error(format!("is no published column of {table}")))?;
        let kind = table.columns.get(index).map_or(Kind::Other, |column| Kind::of(column.type_oid));
        let value = |text: &String| {
            kind.read(text).ok_or_else(|| error(format!("is {}, and `{text:.80}` is none", kind.name())))
        };
        let test = match &self.operator {
            Operator::Is(Is::Null) => Test::IsNull,
            Operator::Is(is) if kind == Kind::Bool => match is {
                Is::True => Test::IsBool(Value::TRUE),
                Is::False => Test::IsBool(Value::FALSE),
                Is::Null | Is::Unknown => Test::IsNull,
            },
            Operator::Is(_) => return Err(error(format!("is {}, of which only is.null can be asked", kind.name()))),
            _ if kind == Kind::Json => {
                return Err(error("is a document, of which only is.null can be asked".to_owned()));
            }
            Operator::OneOf(values) => Test::OneOf(values.iter().map(value).collect::<Result<_, _>>()?),
            Operator::Compare(..) if kind == Kind::Other => {
                return Err(error("is of a type that can only be compared by eq, neq and in".to_owned()));
            }
            Operator::Compare(comparison, text) => Test::Compare(*comparison, value(text)?),
            Operator::Like(_) | Operator::Ilike(_) if !kind.is_text() => {
                return Err(error(format!("is {}, and like is for texts", kind.name())));
            }
            Operator::Like(pattern) => Test::Like(Pattern::new(pattern, false).map_err(error)?),
            Operator::Ilike(pattern) => Test::Like(Pattern::new(pattern, true).map_err(error)?),
        };
        Ok((index, kind, test))
    }
}

impl BoundFilter {
    /// Decides a row by the cells of its columns.
    pub fn judge<'a>(&self, cell: impl Fn(usize) -> Cell<'a>) -> Verdict {
        let mut verdict = Verdict::Yes;
        for condition in &self.conditions {
            match condition.judge(&cell) {
                Verdict::Yes => {}
                Verdict::No => return Verdict::No,
                Verdict::Unknown => verdict = Verdict::Unknown,
            }
        }
        verdict
    }

    /// A column of which the filter wants one of a few values, and these: the fewest that any column has to have.
    pub fn wanted(&self) -> Option<(usize, &[Value])> {
        let wanted = self.conditions.iter().filter_map(|condition| match &condition.test {
            Some((column, _, Test::OneOf(values))) if !condition.negated => Some((*column, values.as_slice())),
            _ => None,
        });
        wanted.min_by_key(|(_, values)| values.len())
    }
}

impl Bound {
    fn judge<'a>(&self, cell: impl Fn(usize) -> Cell<'a>) -> Verdict {
        let Some((column, kind, test)) = &self.test else { return Verdict::Unknown };
        let holds = match (cell(*column), test) {
            (Cell::Absent, _) => return Verdict::Unknown,
            (Cell::Null, Test::IsNull) => true,
            (Cell::Null, Test::IsBool(_)) => false,
            // A comparison with NULL is not true, and neither is its opposite.
            (Cell::Null, _) => return Verdict::No,
            // It has a value, though nobody says which.
            (Cell::Unchanged | Cell::Text(_), Test::IsNull) => false,
            (Cell::Unchanged, _) => return Verdict::Unknown,
            (Cell::Text(text), Test::Like(pattern)) => pattern.matches(text),
            (Cell::Text(text), test) => match kind.read(text) {
                Some(value) => test.holds(&value),
                None => return Verdict::Unknown,
            },
        };
        if holds != self.negated { Verdict::Yes } else { Verdict::No }
    }
}

impl Test {
    fn holds(&self, value: &Value) -> bool {
        match self {
            Test::OneOf(wanted) => wanted.contains(value),
            Test::Compare(comparison, than) => comparison.holds(value.cmp(than)),
            Test::IsBool(wanted) => value == wanted,
            // These look at no value.
            Test::Like(_) | Test::IsNull => false,
        }
    }
}

impl Comparison {
    fn holds(self, ordering: Ordering) -> bool {
        match self {
            Comparison::Gt => ordering.is_gt(),
            Comparison::Gte => ordering.is_ge(),
            Comparison::Lt => ordering.is_lt(),
            Comparison::Lte => ordering.is_le(),
        }
    }
}
