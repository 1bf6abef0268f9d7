use std::net::IpAddr;

use axum::http::{HeaderMap, Uri, header};

/// A request of somebody at this machine, where the server listens to nobody else.
///
/// That alone is not enough: any page in a browser here may open a WebSocket to it, whatever its origin, and a name that is
/// made to point here passes for the page's own. A proxy brings others in.
#[derive(Clone, Copy, Debug)]
pub struct FromHere;

impl FromHere {
    /// By the headers of a request to a listener on a loopback address.
    pub fn read(headers: &HeaderMap) -> Option<Self> {
        let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
        let host = text(header::HOST.as_str())?;
        let is_ours = text(header::ORIGIN.as_str()).is_none_or(|origin| {
            origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://")) == Some(host)
        });
        let is_direct = ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via"]
            .iter()
            .all(|name| !headers.contains_key(*name));
        (is_loopback(host) && is_ours && is_direct).then_some(FromHere)
    }
}

fn is_loopback(host: &str) -> bool {
    let host = host.parse::<Uri>().ok().and_then(|uri| uri.host().map(str::to_owned)).unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    address.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn is_from_here(headers: &[(&'static str, &'static str)]) -> bool {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        FromHere::read(&headers).is_some()
    }

    #[test]
    fn who_comes_from_here_asks_for_here_and_is_no_page_of_another_origin() {
        for host in ["localhost:4000", "127.0.0.1:4000", "[::1]:4000", "LOCALHOST"] {
            assert!(is_from_here(&[("host", host)]), "{host}");
        }
        assert!(is_from_here(&[("host", "127.0.0.1:4000"), ("origin", "http://127.0.0.1:4000")]));
        assert!(is_from_here(&[("host", "localhost:4000"), ("origin", "https://localhost:4000")]));
    }

    #[test]
    fn a_foreign_page_a_name_made_to_point_here_and_a_proxy_do_not() {
        for headers in [
            &[("host", "127.0.0.1:4000"), ("origin", "https://evil.example")][..],
            &[("host", "127.0.0.1:4000"), ("origin", "http://127.0.0.1:5173")],
            &[("host", "127.0.0.1:4000"), ("origin", "null")],
            &[("host", "evil.example:4000"), ("origin", "http://evil.example:4000")],
            &[("host", "localhost.evil.example")],
            &[("host", "127.0.0.1:4000"), ("x-forwarded-for", "203.0.113.7")],
            &[("host", "")],
            &[],
        ] {
            assert!(!is_from_here(headers), "{headers:?}");
        }
    }
}
