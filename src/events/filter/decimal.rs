use std::cmp::Ordering;

/// A `numeric` with every digit that it has: `1.50` equals `1.5`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Decimal {
    NegativeInfinity,
    Finite(Finite),
    Infinity,
    /// Equal to itself and above all others, as Postgres has it.
    NaN,
}

/// ±0.`digits` · 10^`point`
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Finite {
    negative: bool,
    point: i32,
    /// Without zeros at either end; empty for zero, which has no sign and no point.
    digits: Box<str>,
}

/// Postgres has no numerics beyond 131,072 digits before the point and 16,383 behind it.
const FURTHEST: i32 = 200_000;

impl Decimal {
    pub fn parse(text: &str) -> Option<Decimal> {
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        match rest.to_ascii_lowercase().as_str() {
            "nan" if rest.len() == text.len() => return Some(Decimal::NaN),
            "infinity" | "inf" if negative => return Some(Decimal::NegativeInfinity),
            "infinity" | "inf" => return Some(Decimal::Infinity),
            _ => {}
        }
        let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (rest, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let is_number = |digits: &str| digits.bytes().all(|digit| digit.is_ascii_digit());
        if whole.len() + fraction.len() == 0 || !is_number(whole) || !is_number(fraction) {
            return None;
        }
        let digits = [whole, fraction].concat();
        let significant = digits.trim_start_matches('0');
        let leading = i32::try_from(digits.len() - significant.len()).ok()?;
        let point = i32::try_from(whole.len()).ok()?.checked_add(exponent)?.checked_sub(leading)?;
        let significant = significant.trim_end_matches('0');
        Some(Decimal::Finite(match significant {
            "" => Finite { negative: false, point: 0, digits: "".into() },
            digits if (-FURTHEST..=FURTHEST).contains(&point) => Finite { negative, point, digits: digits.into() },
            _ => return None,
        }))
    }

    fn rank(&self) -> u8 {
        match self {
            Decimal::NegativeInfinity => 0,
            Decimal::Finite(_) => 1,
            Decimal::Infinity => 2,
            Decimal::NaN => 3,
        }
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Decimal::Finite(one), Decimal::Finite(two)) => one.cmp(two),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Finite {
    /// -1, 0 or 1.
    fn sign(&self) -> i8 {
        match (self.digits.is_empty(), self.negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        }
    }
}

impl Ord for Finite {
    fn cmp(&self, other: &Self) -> Ordering {
        let size = || (self.point, &self.digits).cmp(&(other.point, &other.digits));
        self.sign().cmp(&other.sign()).then_with(|| if self.negative { size().reverse() } else { size() })
    }
}

impl PartialOrd for Finite {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
