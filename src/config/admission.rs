use std::{net::IpAddr, num::NonZeroU32, time::Duration};

use clap::Args;
use ipnet::IpNet;

use super::values::{parse_duration, parse_timeout};
use crate::admission::{Failures, Limits, Line, Proxies, Visitors};

/// Who may come, how many and how often, before a token is asked for.
#[derive(Args, Clone)]
pub struct AdmissionArgs {
    /// The proxies whose X-Forwarded-For and X-Forwarded-Host are believed: addresses and networks, separated by commas
    #[arg(long, env = "WALCAST_TRUSTED_PROXIES", default_value = "127.0.0.0/8,::1", value_parser = parse_networks,
          value_name = "NETWORKS")]
    pub trusted_proxies: Networks,
    /// How many connections one address may have at once, of IPv6 one /64; 0: any number
    #[arg(long, env = "WALCAST_MAX_CONNECTIONS_PER_ADDRESS", default_value = "10000", value_name = "CONNECTIONS")]
    pub max_connections_per_address: u32,
    /// How many handshakes of one address may fail within a time, until that is over the next are refused unheard (s, m, h,
    /// d); 0: any number
    #[arg(long, env = "WALCAST_FAILED_HANDSHAKES", default_value = "100/m", value_parser = parse_failures,
          value_name = "COUNT/TIME")]
    pub failed_handshakes: Allowance,
    /// How many clients are let in a second; more wait in line, and whoever is in is served meanwhile; 0: any number [default:
    /// 500 for each processor]
    #[arg(long, env = "WALCAST_HANDSHAKES_PER_SECOND", default_value = "", value_parser = parse_pace,
          hide_default_value = true, value_name = "CLIENTS")]
    pub handshakes_per_second: Pace,
    /// How long a client has for its TLS handshake, then for the headers of its first request, and then to show a token (ms,
    /// s, m, h, d)
    #[arg(long, env = "WALCAST_HANDSHAKE_TIMEOUT", default_value = "10s", value_parser = parse_timeout, value_name = "TIME")]
    pub handshake_timeout: Duration,
}

/// A list that may be empty.
pub type Networks = std::sync::Arc<[IpNet]>;

/// `None`: any number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance(pub Option<Failures>);

/// So many a second; `None`: as many as suit the processors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace(Option<u32>);

/// A third of what two can let in where clients are on them too (`bench/run.sh W7`).
const HANDSHAKES_OF_A_PROCESSOR: u32 = 500;

impl AdmissionArgs {
    pub fn line(&self) -> Line {
        let processors = || std::thread::available_parallelism().map_or(1, |count| count.get() as u32);
        Line::new(
            self.handshakes_per_second.0.unwrap_or_else(|| HANDSHAKES_OF_A_PROCESSOR.saturating_mul(processors())),
        )
    }

    pub fn visitors(&self) -> Visitors {
        let limits = Limits { connections: self.max_connections_per_address, failures: self.failed_handshakes.0 };
        Visitors::new(limits, Proxies::new(self.trusted_proxies.to_vec()))
    }
}

/// `10.0.0.0/8, ::1`.
fn parse_networks(text: &str) -> Result<Networks, String> {
    let network = |text: &str| text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
    let parsed = names.map(|name| {
        let bad = |_| format!("`{name}` is neither an IP address nor a network: give them as in 10.0.0.0/8,192.0.2.1");
        network(name).map_err(bad)
    });
    parsed.collect()
}

/// `1000`; empty is a line of an .env file that was left so.
fn parse_pace(text: &str) -> Result<Pace, String> {
    let number = Some(text.trim()).filter(|text| !text.is_empty()).map(str::parse::<u32>).transpose();
    number.map(Pace).map_err(|_| format!("`{text}` is no number of clients: give one as in 1000, or 0 for any number"))
}

/// `100/m`, `5/10s`, or `0` for no limit.
fn parse_failures(text: &str) -> Result<Allowance, String> {
    let text = text.trim();
    if text == "0" {
        return Ok(Allowance(None));
    }
    let parse = || {
        let (count, time) = text.split_once('/')?;
        let most = count.trim().parse::<NonZeroU32>().ok()?;
        let time = time.trim();
        let unit = if time.starts_with(|c: char| c.is_ascii_digit()) { time.to_owned() } else { format!("1{time}") };
        let within = parse_duration(&unit).ok().filter(|within| !within.is_zero())?;
        Some(Allowance(Some(Failures { most, within })))
    };
    parse().ok_or_else(|| "give a whole number and a time, as in 100/m, or 0 for any number".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_a_list_of_addresses_and_prefixes() {
        let shown = |text| parse_networks(text).map(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(
            shown("10.0.0.0/8, 192.0.2.1 ,::1"),
            Ok(["10.0.0.0/8", "192.0.2.1/32", "::1/128"].map(str::to_owned).into())
        );
        assert_eq!(shown(""), Ok(vec![]));
        for text in ["nginx", "10.0.0.0/33", "10.0.0.0/8;::1", "10.0.0.1:80"] {
            assert!(parse_networks(text).is_err(), "{text:?} was taken");
        }
    }

    #[test]
    fn failures_are_so_many_within_a_time() {
        let is = |text, most, seconds| {
            let failures =
                Failures { most: NonZeroU32::new(most).expect("some"), within: Duration::from_secs(seconds) };
            assert_eq!(parse_failures(text), Ok(Allowance(Some(failures))), "{text}");
        };
        is("100/m", 100, 60);
        is(" 5 / 10s ", 5, 10);
        is("1/h", 1, 3600);
        assert_eq!(parse_failures("0"), Ok(Allowance(None)));
        for text in ["", "100", "0/m", "-1/m", "1/0s", "1/", "1/parsec", "1.5/m"] {
            assert!(parse_failures(text).is_err(), "{text:?} was taken");
        }
    }

    #[test]
    fn a_pace_is_a_number_or_left_empty() {
        assert_eq!(parse_pace(" 1000 "), Ok(Pace(Some(1000))));
        assert_eq!(parse_pace("0"), Ok(Pace(Some(0))));
        assert_eq!(parse_pace(""), Ok(Pace(None)));
        for text in ["many", "-1", "10/s", "1.5"] {
            assert!(parse_pace(text).is_err(), "{text:?} was taken");
        }
    }
}
