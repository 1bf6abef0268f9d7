use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use axum::http::Uri;
use clap::builder::{OsStringValueParser, TypedValueParser};

// What these say comes after clap's "invalid value '…' for '--…'".

/// A path that may be empty: a line of an .env file that was left so.
pub fn file() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(PathBuf::from)
}

/// The path of a setting that names one.
pub fn named(path: &Option<PathBuf>) -> Option<&Path> {
    path.as_deref().filter(|path| !path.as_os_str().is_empty())
}

/// Where traces go; `None`: nowhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collector(pub Option<Uri>);

/// A URL without a query; nothing at all is none.
pub fn parse_collector(text: &str) -> Result<Collector, String> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(Collector(None));
    }
    let uri: Option<Uri> = text.parse().ok();
    let is_collector =
        |uri: &Uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some() && uri.query().is_none();
    let uri = uri.filter(is_collector).ok_or("give a URL, as in http://localhost:4318; /v1/traces is added to it")?;
    Ok(Collector(Some(uri)))
}

pub fn parse_address(text: &str) -> Result<SocketAddr, String> {
    text.trim().parse().map_err(|_| "give an IP address and a port, as in 127.0.0.1:4000".to_owned())
}

pub fn parse_count(text: &str) -> Result<u32, String> {
    let count = text.trim().parse().ok().filter(|count| *count > 0);
    count.ok_or_else(|| "give a whole number above 0, as in 1000".to_owned())
}

/// A port; 0: any free one.
pub fn parse_port(text: &str) -> Result<u16, String> {
    text.trim().parse().map_err(|_| "give a port, as in 54320".to_owned())
}

/// `250ms`, `10s`, `2m`, `1h`, `7d`.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split_unit(text);
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err("give a whole number and ms, s, m, h or d, as in 10s".to_owned()),
    };
    let number: u64 = number.parse().map_err(|_| "give a whole number and a unit, as in 10s".to_owned())?;
    number
        .checked_mul(millis)
        .map(Duration::from_millis)
        .ok_or_else(|| "it is too long: give less, as in 7d".to_owned())
}

/// The same, for what no time at all would undo: Postgres takes a timeout of 0 for none.
pub fn parse_timeout(text: &str) -> Result<Duration, String> {
    let timeout = parse_duration(text)?;
    (!timeout.is_zero()).then_some(timeout).ok_or_else(|| "give a time above 0, as in 5s".to_owned())
}

/// A duration that clocks may differ by.
pub fn parse_leeway(text: &str) -> Result<Duration, String> {
    let leeway = parse_duration(text)?;
    if leeway > Duration::from_secs(600) { Err("it is too long: give at most 10m".to_owned()) } else { Ok(leeway) }
}

/// `4096`, `64kB`, `1MiB`, `1GiB`.
pub fn parse_bytes(text: &str) -> Result<usize, String> {
    let (number, unit) = split_unit(text);
    let factor: usize = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "kib" | "k" => 1 << 10,
        "mb" => 1_000_000,
        "mib" | "m" => 1 << 20,
        "gb" => 1_000_000_000,
        "gib" | "g" => 1 << 30,
        _ => return Err("give a whole number and kB, KiB, MB, MiB, GB or GiB, as in 1MiB".to_owned()),
    };
    let number: usize = number.parse().map_err(|_| "give a whole number and a unit, as in 1MiB".to_owned())?;
    let bytes = number.checked_mul(factor).filter(|bytes| *bytes > 0);
    bytes.ok_or_else(|| "it is nothing or too much: give a size such as 1MiB".to_owned())
}

fn split_unit(text: &str) -> (&str, &str) {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    (number, unit.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_is_a_url_or_nothing() {
        assert_eq!(parse_collector(" "), Ok(Collector(None)));
        for text in ["http://localhost:4318", "https://otel.example.com/base/"] {
            assert_eq!(parse_collector(text), Ok(Collector(text.parse().ok())));
        }
        for text in ["localhost:4318", "grpc://localhost:4317", "http://", "/v1/traces", "http://a/?b"] {
            assert!(parse_collector(text).is_err(), "{text:?} was taken");
        }
    }

    #[test]
    fn times_and_sizes_have_units() {
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse_duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!((parse_duration("0s"), parse_timeout("1ms")), (Ok(Duration::ZERO), Ok(Duration::from_millis(1))));
        assert!(parse_timeout("0s").is_err(), "no time was taken for a timeout");
        assert_eq!(parse_bytes("1MiB"), Ok(1 << 20));
        assert_eq!(parse_bytes("64 kB"), Ok(64_000));
        for text in ["", "10", "s", "-1s", "1.5s", "99999999999999999999d"] {
            assert!(parse_duration(text).is_err(), "{text:?} was taken");
        }
        for text in ["", "0", "MiB", "1 parsec", "99999999999999999999"] {
            assert!(parse_bytes(text).is_err(), "{text:?} was taken");
        }
    }
}
