use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri, header};

/// From which origins browsers may open sockets. CORS does not keep a page from opening a WebSocket to any server.
#[derive(Clone, Debug)]
pub enum Origins {
    Any,
    /// Each as browsers send it, and the server's own.
    Listed(Vec<HeaderValue>),
}

const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

impl Origins {
    /// Whether a request may come. One without an origin is no page's. `trusted`: a proxy of ours hands it on, and says under which
    /// name it was asked for.
    pub fn admit(&self, headers: &HeaderMap, trusted: bool) -> bool {
        let Origins::Listed(listed) = self else { return true };
        let forwarded = headers.get(FORWARDED_HOST).filter(|_| trusted);
        let hosts: Vec<_> = headers.get(header::HOST).into_iter().chain(forwarded).collect();
        headers.get_all(header::ORIGIN).iter().all(|origin| {
            listed.contains(origin) || authority(origin).is_some_and(|own| hosts.iter().any(|host| is_same(host, &own)))
        })
    }
}

/// `app.example.com:8080` of `https://app.example.com:8080`.
fn authority(origin: &HeaderValue) -> Option<String> {
    let uri: Uri = origin.to_str().ok()?.parse().ok()?;
    uri.scheme()?;
    Some(uri.authority()?.as_str().to_owned())
}

fn is_same(host: &HeaderValue, authority: &str) -> bool {
    host.to_str().is_ok_and(|host| host.eq_ignore_ascii_case(authority))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(trusted: bool, headers: &[(&'static str, &'static str)]) -> bool {
        let origins = Origins::Listed(vec![HeaderValue::from_static("https://app.example.com")]);
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .fold(HeaderMap::new(), |mut all, (name, value)| {
                all.append(name, value);
                all
            });
        origins.admit(&headers, trusted)
    }

    #[test]
    fn a_page_of_a_listed_origin_and_who_is_no_page_may_come() {
        assert!(admits(false, &[]));
        assert!(admits(false, &[("host", "walcast.example.com")]));
        assert!(admits(false, &[("origin", "https://app.example.com")]));
        let strangers = [
            "https://evil.example",
            "null",
            "",
            "https://app.example.com.evil.example",
            "https://app.example.com:8443",
            "http://app.example.com",
            "https://app.example.com/",
        ];
        for origin in strangers {
            assert!(!admits(false, &[("host", "walcast.example.com"), ("origin", origin)]), "{origin:?}");
        }
        assert!(!admits(false, &[("origin", "https://app.example.com"), ("origin", "https://evil.example")]));
    }

    #[test]
    fn the_own_origin_is_that_of_the_host_which_only_a_trusted_proxy_may_name() {
        let origin = ("origin", "https://walcast.example.com:8443");
        assert!(admits(false, &[origin, ("host", "Walcast.example.com:8443")]));
        assert!(!admits(false, &[origin, ("host", "walcast.example.com")]));
        let behind = [origin, ("host", "10.0.0.1:4000"), ("x-forwarded-host", "walcast.example.com:8443")];
        assert!(admits(true, &behind));
        assert!(!admits(false, &behind));
    }

    #[test]
    fn any_is_any() {
        let headers = HeaderMap::from_iter([(header::ORIGIN, HeaderValue::from_static("null"))]);
        assert!(Origins::Any.admit(&headers, false));
    }
}
