use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, HeaderName};
use ipnet::IpNet;

/// Whose word is taken for where a request comes from, and under which name it asked.
#[derive(Clone, Debug)]
pub struct Proxies(Vec<IpNet>);

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

impl Proxies {
    pub fn new(networks: Vec<IpNet>) -> Self {
        Proxies(networks)
    }

    pub fn trust(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The address that a request comes from: the peer's, or what the last of trusted proxies says that its own peer was.
    /// `None`: nobody that is trusted says, so it is a proxy that does not tell, or somebody within the trusted networks.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> Option<IpAddr> {
        if !self.trust(peer) {
            return Some(peer.to_canonical());
        }
        // Each proxy appends its peer. What stands before the first that is not trusted, anybody may have written.
        let lines: Vec<_> =
            headers.get_all(FORWARDED_FOR).iter().map(|line| line.to_str().unwrap_or_default()).collect();
        for hop in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
            let address = address(hop.trim())?;
            if !self.trust(address) {
                return Some(address);
            }
        }
        None
    }

    /// Whether somebody that is not trusted says where a request comes from: most often a proxy that is not among ours.
    pub fn overhear(&self, peer: IpAddr, headers: &HeaderMap) -> bool {
        headers.contains_key(FORWARDED_FOR) && !self.trust(peer)
    }
}

/// `192.0.2.1`, `2001:db8::1`, and what some proxies write: `192.0.2.1:4711`, `[2001:db8::1]:4711`, `[2001:db8::1]`.
fn address(text: &str) -> Option<IpAddr> {
    let bare = || text.parse().ok();
    let in_brackets = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || text.parse().ok().map(|address: SocketAddr| address.ip());
    bare().or_else(in_brackets).or_else(with_port).map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn client(peer: &str, lines: &[&str]) -> Option<String> {
        let proxies = Proxies::new(["10.0.0.0/8", "::1/128"].map(|network| network.parse().expect("a network")).into());
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, HeaderValue::from_bytes(line.as_bytes()).expect("a value"));
        }
        proxies.client(peer.parse().expect("an address"), &headers).map(|address| address.to_string())
    }

    #[test]
    fn only_a_trusted_proxy_says_where_a_request_comes_from() {
        let is = |peer, lines: &[&str], expected: &str| {
            assert_eq!(client(peer, lines).as_deref(), Some(expected), "{peer} {lines:?}");
        };
        is("192.0.2.1", &["198.51.100.7"], "192.0.2.1");
        is("10.1.1.1", &["198.51.100.7"], "198.51.100.7");
        is("::ffff:10.1.1.1", &["::ffff:198.51.100.7"], "198.51.100.7");
        is("::1", &["2001:db8::7, 10.2.2.2"], "2001:db8::7");
        for port in ["198.51.100.7:80", "[::ffff:198.51.100.7]:80", "[::ffff:198.51.100.7]", " 198.51.100.7 "] {
            is("10.1.1.1", &[port], "198.51.100.7");
        }
    }

    #[test]
    fn what_a_client_writes_of_itself_is_not_believed() {
        for lines in [&["10.9.9.9, 203.0.113.5, 198.51.100.7"][..], &["203.0.113.5", "198.51.100.7, 10.2.2.2"]] {
            assert_eq!(client("10.1.1.1", lines).as_deref(), Some("198.51.100.7"), "{lines:?}");
        }
    }

    #[test]
    fn a_proxy_that_does_not_say_leaves_the_client_unknown() {
        for lines in [&[][..], &["unknown"], &["203.0.113.5, unix:"], &["10.3.3.3"], &[""], &["203.0.113.5, \u{fc}"]] {
            assert_eq!(client("10.1.1.1", lines), None, "{lines:?}");
        }
    }
}
