use std::fmt;

use super::{Comparison, Condition, Filter, Is, Operator};

/// One text for all filters that say the same, which [`Filter::parse`] reads.
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, condition) in self.conditions.iter().enumerate() {
            if number > 0 {
                f.write_str(",")?;
            }
            condition.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let not = if self.negated { "not." } else { "" };
        write!(f, "{}={not}", Quoted(&self.column))?;
        match &self.operator {
            Operator::OneOf(values) => match values.as_slice() {
                [value] => write!(f, "eq.{}", Quoted(value)),
                values => {
                    for (number, value) in values.iter().enumerate() {
                        write!(f, "{}{}", if number == 0 { "in.(" } else { "," }, Quoted(value))?;
                    }
                    f.write_str(")")
                }
            },
            Operator::Compare(comparison, value) => write!(f, "{}.{}", comparison.name(), Quoted(value)),
            Operator::Like(pattern) => write!(f, "like.{}", Quoted(pattern)),
            Operator::Ilike(pattern) => write!(f, "ilike.{}", Quoted(pattern)),
            Operator::Is(is) => write!(f, "is.{}", is.name()),
        }
    }
}

impl Comparison {
    fn name(self) -> &'static str {
        match self {
            Comparison::Gt => "gt",
            Comparison::Gte => "gte",
            Comparison::Lt => "lt",
            Comparison::Lte => "lte",
        }
    }
}

impl Is {
    fn name(self) -> &'static str {
        match self {
            Is::Null => "null",
            Is::True => "true",
            Is::False => "false",
            Is::Unknown => "unknown",
        }
    }
}

/// In quotes unless it is plain.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':' | '%');
        if !self.0.is_empty() && self.0.chars().all(is_plain) {
            return f.write_str(self.0);
        }
        f.write_str("\"")?;
        for character in self.0.chars() {
            if matches!(character, '"' | '\\') {
                f.write_str("\\")?;
            }
            write!(f, "{character}")?;
        }
        f.write_str("\"")
    }
}
