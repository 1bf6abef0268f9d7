//! Entity tags (RFC 9110, section 8.8): strong ones, so a compressed body has another than the same body as it is.

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderValue, header},
    middleware::Next,
    response::Response,
};

use crate::events::Epoch;

/// Ends the tag of a compressed body.
const COMPRESSED: &str = "-gzip";

/// The tag of what has a mark. Another history may have given the same mark to something else.
pub fn tag(epoch: &Epoch, mark: &str) -> String {
    format!("\"{epoch}-{mark}\"")
}

/// The tag in `If-None-Match` that says that the client holds what has `tag`, as the client has it.
pub fn known(headers: &HeaderMap, tag: &str) -> Option<String> {
    let lists = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|list| list.to_str().ok());
    for list in lists {
        if list.trim() == "*" {
            return Some(tag.to_owned());
        }
        // A tag of ours holds no comma, so a foreign one that does is no match in pieces either.
        let tags = list.split(',').map(|tag| tag.trim());
        // What compares weakly is enough for what is not a range.
        let mut tags = tags.map(|tag| tag.strip_prefix("W/").unwrap_or(tag));
        if let Some(known) = tags.find(|known| *known == tag || *known == compressed(tag)) {
            return Some(known.to_owned());
        }
    }
    None
}

/// Whether the client holds what has this tag.
pub fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    known(headers, tag).is_some()
}

fn compressed(tag: &str) -> String {
    format!("{}{COMPRESSED}\"", tag.strip_suffix('"').unwrap_or(tag))
}

/// Goes around the compression: what comes out compressed gets its own tag.
pub async fn mark_compressed(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if response.headers().contains_key(header::CONTENT_ENCODING)
        && let Some(tag) = response.headers().get(header::ETAG).and_then(|tag| tag.to_str().ok())
        && let Ok(tag) = HeaderValue::try_from(compressed(tag))
    {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_known_in_every_form_in_which_it_may_come() {
        let tag = tag(&Epoch::new("e"), "m");
        for (list, known_as) in [
            ("*", Some(r#""e-m""#)),
            (r#""e-m""#, Some(r#""e-m""#)),
            (r#"W/"e-m""#, Some(r#""e-m""#)),
            (r#""x" , "e-m-gzip""#, Some(r#""e-m-gzip""#)),
            (r#""a,b","e-m""#, Some(r#""e-m""#)),
            (r#""x""#, None),
            ("e-m", None),
            (r#""E-m""#, None),
            ("", None),
            (",,", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, HeaderValue::from_static("\"another line\""));
            headers.append(header::IF_NONE_MATCH, HeaderValue::from_static(list));
            assert_eq!(known(&headers, &tag).as_deref(), known_as, "{list}");
        }
        assert_eq!(known(&HeaderMap::new(), &tag), None);
    }
}
