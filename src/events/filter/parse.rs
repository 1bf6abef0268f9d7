use super::{Comparison, Condition, Filter, Is, Operator};

/// A filter that cannot be one, or not of its table: what is wrong, as a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FilterError(pub(super) String);

/// How long the text of all conditions may be, in bytes.
const LONGEST: usize = 4096;

const OPERATORS: &str = "eq, neq, gt, gte, lt, lte, in, is, like, ilike";

impl Filter {
    /// Reads conditions, in any number of texts: `column=operator.value`, separated by commas, or by `&` where another
    /// condition follows it. `not.` before the operator turns it round.
    ///
    /// A value stands as it is up to the next separator; in double quotes it may hold anything, a quote and a backslash with
    /// a backslash before each. So may a column. `in` takes several values, in parentheses.
    ///
    /// # Errors
    /// What cannot be read, and what would be.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Filter, FilterError> {
        let mut conditions = Vec::new();
        let mut length = 0;
        for text in texts {
            length += text.len();
            if length > LONGEST {
                return Err(FilterError(format!("the filter is longer than {LONGEST} bytes")));
            }
            let mut reader = Reader { rest: text };
            loop {
                conditions.push(reader.condition()?);
                reader.skip_blanks();
                match reader.rest.strip_prefix([',', '&']) {
                    Some(rest) => reader.rest = rest,
                    None if reader.rest.is_empty() => break,
                    None => return Err(reader.error("a comma before the next condition")),
                }
            }
        }
        conditions.sort();
        conditions.dedup();
        Ok(Filter { conditions })
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn condition(&mut self) -> Result<Condition, FilterError> {
        let column = self.column()?;
        let negated = self.take("not.");
        let Some((operator, rest)) = self.rest.split_once('.') else { return Err(self.unknown(self.rest)) };
        let operator = operator.trim();
        let (turned, operator) = match operator {
            "eq" | "neq" => {
                self.rest = rest;
                (operator == "neq", Operator::OneOf(vec![self.value()?]))
            }
            "in" => {
                self.rest = rest;
                (false, Operator::OneOf(self.list()?))
            }
            "is" => {
                self.rest = rest;
                self.is()?
            }
            "gt" | "gte" | "lt" | "lte" => {
                self.rest = rest;
                let comparison = match operator {
                    "gt" => Comparison::Gt,
                    "gte" => Comparison::Gte,
                    "lt" => Comparison::Lt,
                    _ => Comparison::Lte,
                };
                (false, Operator::Compare(comparison, self.value()?))
            }
            "like" => {
                self.rest = rest;
                (false, Operator::Like(self.value()?))
            }
            "ilike" => {
                self.rest = rest;
                (false, Operator::Ilike(self.value()?))
            }
            unknown => return Err(self.unknown(unknown)),
        };
        Ok(Condition { column, negated: negated != turned, operator })
    }

    fn column(&mut self) -> Result<String, FilterError> {
        self.skip_blanks();
        let column = match self.quoted()? {
            Some(column) => {
                self.skip_blanks();
                column
            }
            None => {
                let end = self.rest.find(['=', ',', '&', '"']).unwrap_or(self.rest.len());
                let (column, rest) = self.rest.split_at(end);
                self.rest = rest;
                column.trim_end().to_owned()
            }
        };
        if column.is_empty() || !self.take("=") {
            return Err(self.error("column=operator.value"));
        }
        Ok(column)
    }

    /// A value in quotes, or all up to the next separator without the blanks around it.
    fn value(&mut self) -> Result<String, FilterError> {
        self.skip_blanks();
        if let Some(value) = self.quoted()? {
            return Ok(value);
        }
        let is_end = |(at, character): (usize, char)| match character {
            ',' => true,
            '&' => self.rest.get(at + 1..).is_some_and(begins_condition),
            _ => false,
        };
        let end = self.rest.char_indices().find(|found| is_end(*found)).map_or(self.rest.len(), |(at, _)| at);
        let (value, rest) = self.rest.split_at(end);
        self.rest = rest;
        Ok(value.trim_end().to_owned())
    }

    /// `(a,b,"c,d")`, sorted.
    fn list(&mut self) -> Result<Vec<String>, FilterError> {
        self.skip_blanks();
        if !self.take("(") {
            return Err(self.error("in.(value,value)"));
        }
        self.skip_blanks();
        if self.rest.starts_with(')') {
            return Err(self.error("a value between the parentheses of in"));
        }
        let mut values = Vec::new();
        loop {
            self.skip_blanks();
            values.push(match self.quoted()? {
                Some(value) => value,
                None => {
                    let end = self.rest.find([',', ')']).unwrap_or(self.rest.len());
                    let (value, rest) = self.rest.split_at(end);
                    self.rest = rest;
                    value.trim_end().to_owned()
                }
            });
            self.skip_blanks();
            if self.take(")") {
                break;
            }
            if !self.take(",") {
                return Err(self.error("a comma or a closing parenthesis"));
            }
        }
        values.sort();
        values.dedup();
        Ok(values)
    }

    /// Whether it is turned round, and what is asked.
    fn is(&mut self) -> Result<(bool, Operator), FilterError> {
        let value = self.value()?.to_ascii_lowercase();
        let (turned, asked) = match value.strip_prefix("not.").or_else(|| value.strip_prefix("not_")) {
            Some(asked) => (true, asked),
            None => (false, value.as_str()),
        };
        let is = match asked {
            "null" => Is::Null,
            "true" => Is::True,
            "false" => Is::False,
            "unknown" => Is::Unknown,
            _ => return Err(FilterError(format!("`is.{value:.80}`: is takes null, true, false or unknown"))),
        };
        Ok((turned, Operator::Is(is)))
    }

    /// `None` where no quote stands.
    fn quoted(&mut self) -> Result<Option<String>, FilterError> {
        let Some(inside) = self.rest.strip_prefix('"') else { return Ok(None) };
        let mut value = String::new();
        let mut characters = inside.char_indices();
        while let Some((at, character)) = characters.next() {
            match character {
                '"' => {
                    self.rest = inside.get(at + 1..).unwrap_or_default();
                    return Ok(Some(value));
                }
                '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
                character => value.push(character),
            }
        }
        Err(self.error("a closing quote"))
    }

    fn take(&mut self, text: &str) -> bool {
        self.rest.strip_prefix(text).map(|rest| self.rest = rest).is_some()
    }

    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn error(&self, wanted: &str) -> FilterError {
        FilterError(match self.rest {
            "" => format!("the filter ends where {wanted} was expected"),
            rest => format!("`{rest:.80}`: {wanted} was expected here"),
        })
    }

    fn unknown(&self, operator: &str) -> FilterError {
        FilterError(format!("`{operator:.80}` is no operator: there are {OPERATORS}, each also behind not."))
    }
}

/// Whether a text begins as `column=operator.` does.
fn begins_condition(text: &str) -> bool {
    let Some((_, behind)) = text.split_once('=').filter(|(column, _)| !column.contains(['&', ','])) else {
        return false;
    };
    let behind = behind.strip_prefix("not.").unwrap_or(behind);
    behind.split_once('.').is_some_and(|(operator, _)| OPERATORS.split(", ").any(|known| known == operator))
}
