//! Dates and times in the form of ISO 8601, as Postgres writes them under `DateStyle` ISO, with years that no calendar of a
//! library goes to.

const MICROS: i128 = 1_000_000;
const DAY: i128 = 24 * 60 * 60 * MICROS;
/// Of `infinity`, in days and in microseconds.
const LATEST: i128 = i128::MAX;

/// What becomes of an offset from UTC behind a time.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Zone {
    /// It is taken off; without one it is UTC.
    Heeded,
    /// As `timestamp` does.
    Ignored,
}

/// Days since 1970-01-01. A time behind the date counts for nothing.
pub fn date(text: &str) -> Option<i128> {
    infinite(text).or_else(|| moment(text).map(|(days, ..)| days))
}

/// Microseconds since midnight.
pub fn time(text: &str) -> Option<i128> {
    let (micros, rest) = clock(text)?;
    rest.is_empty().then_some(micros)
}

/// Microseconds since 1970-01-01.
pub fn timestamp(text: &str, zone: Zone) -> Option<i128> {
    infinite(text).or_else(|| {
        let (days, micros, offset) = moment(text)?;
        Some(days * DAY + micros - if zone == Zone::Heeded { offset } else { 0 })
    })
}

fn infinite(text: &str) -> Option<i128> {
    match text.to_ascii_lowercase().as_str() {
        "infinity" => Some(LATEST),
        "-infinity" => Some(-LATEST),
        _ => None,
    }
}

/// Days, microseconds within the day, and the offset from UTC in microseconds.
fn moment(text: &str) -> Option<(i128, i128, i128)> {
    let (text, before_christ) = match text.strip_suffix(" BC") {
        Some(text) => (text, true),
        None => (text, false),
    };
    let (year, rest) = digits(text, 4..=7)?;
    let (month, rest) = digits(rest.strip_prefix('-')?, 2..=2)?;
    let (day, rest) = digits(rest.strip_prefix('-')?, 2..=2)?;
    let year = match (year, before_christ) {
        (0, _) => return None,
        (year, true) => 1 - year,
        (year, false) => year,
    };
    if !(1..=12).contains(&month) || !(1..=length(year, month)).contains(&day) {
        return None;
    }
    let days = days(year, month, day);
    let (micros, rest) = match rest.strip_prefix([' ', 'T', 't']) {
        Some(rest) => clock(rest)?,
        None => (0, rest),
    };
    Some((days, micros, offset(rest)?))
}

/// The time of a day, and what is behind it.
fn clock(text: &str) -> Option<(i128, &str)> {
    let (hour, rest) = digits(text, 2..=2)?;
    let (minute, rest) = digits(rest.strip_prefix(':')?, 2..=2)?;
    let (second, rest) = match rest.strip_prefix(':') {
        Some(rest) => digits(rest, 2..=2)?,
        None => (0, rest),
    };
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => {
            let (value, behind) = digits(rest, 1..=6)?;
            let missing = 6 - u32::try_from(rest.len() - behind.len()).ok()?;
            (value * 10_i128.pow(missing), behind)
        }
        None => (0, rest),
    };
    let micros = ((hour * 60 + minute) * 60 + second) * MICROS + fraction;
    (minute < 60 && second <= 60 && micros <= DAY).then_some((micros, rest))
}

/// `Z`, `+02`, `-0330`, `+05:30`, `+00:19:32`, or nothing.
fn offset(text: &str) -> Option<i128> {
    let text = text.trim_start();
    if text.is_empty() || text.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let (sign, mut rest) = match (text.strip_prefix('+'), text.strip_prefix('-')) {
        (Some(rest), _) => (1, rest),
        (_, Some(rest)) => (-1, rest),
        (None, None) => return None,
    };
    let mut seconds = 0;
    for unit in [3600, 60, 1] {
        if rest.is_empty() {
            break;
        }
        let (value, behind) = digits(rest.strip_prefix(':').unwrap_or(rest), 2..=2)?;
        seconds += value * unit;
        rest = behind;
    }
    (rest.is_empty() && seconds < 16 * 3600).then_some(sign * seconds * MICROS)
}

/// A number of so many digits, and what is behind it.
fn digits(text: &str, count: std::ops::RangeInclusive<usize>) -> Option<(i128, &str)> {
    let length = text.bytes().take(*count.end()).take_while(u8::is_ascii_digit).count();
    let (number, rest) = text.split_at_checked(length)?;
    count.contains(&length).then_some((number.parse().ok()?, rest))
}

/// Of a month, in days.
fn length(year: i128, month: i128) -> i128 {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the Gregorian calendar, by years that begin in March: then the leap day is the last.
fn days(year: i128, month: i128, day: i128) -> i128 {
    let year = if month > 2 { year } else { year - 1 };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    365 * year + leap_days + of_year - 719_468
}
