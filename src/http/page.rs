//! Pages that are built from `dashboard/` and `demo/` and embedded. What they show comes over Socket.IO, for who may see it.

use axum::{
    Router,
    extract::Path,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use include_dir::{Dir, File, include_dir};
use sha2::{Digest, Sha256};

use super::api::is_known;

/// A page with what it loads.
pub struct Page(Dir<'static>);

static DASHBOARD: Page = Page(include_dir!("$CARGO_MANIFEST_DIR/dashboard/dist"));
pub static DEMO: Page = Page(include_dir!("$CARGO_MANIFEST_DIR/demo/dist"));

/// No script but our own, nothing from elsewhere, in nobody's frame. A socket to `'self'` is one over the same scheme and host.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// For what has a hash of its content in its name.
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// For what has not: it may be kept, and is asked for again.
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("no-cache");

/// `/dashboard` and what it loads.
pub fn routes() -> Router {
    Router::new()
        .route("/dashboard", get(async |headers: HeaderMap| DASHBOARD.serve("index.html", &headers)))
        .route("/dashboard/", get(async |headers: HeaderMap| DASHBOARD.serve("index.html", &headers)))
        .route(
            "/dashboard/{*path}",
            get(async |Path(path): Path<String>, headers: HeaderMap| DASHBOARD.serve(&path, &headers)),
        )
}

impl Page {
    pub fn serve(&'static self, path: &str, headers: &HeaderMap) -> Response {
        let Some(file) = self.0.get_file(path) else {
            return (StatusCode::NOT_FOUND, "there is nothing under this path").into_response();
        };
        let tag = tag(file);
        let fixed = [
            (header::CONTENT_SECURITY_POLICY, POLICY),
            (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
            (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
            (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
            (header::CACHE_CONTROL, if path.starts_with("assets/") { FOR_EVER } else { ASK_AGAIN }),
            (header::CONTENT_TYPE, kind(path)),
        ];
        let status = if is_known(headers, &tag) { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
        let body = if status == StatusCode::OK { file.contents() } else { &[] };
        (status, fixed, [(header::ETAG, tag)], body).into_response()
    }
}

fn tag(file: &File<'_>) -> String {
    let hash = Sha256::digest(file.contents());
    format!("\"{}\"", hash.iter().take(12).map(|byte| format!("{byte:02x}")).collect::<String>())
}

fn kind(path: &str) -> HeaderValue {
    HeaderValue::from_static(match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_built_is_of_known_kinds_and_the_page_names_what_is_there() {
        for (Page(built), base) in [(&DASHBOARD, "/dashboard/"), (&DEMO, "/demo/")] {
            let page = built.get_file("index.html").and_then(File::contents_utf8).expect("the page");
            let named: Vec<&str> = page.split('"').filter_map(|text| text.strip_prefix(base)).collect();
            assert!(named.len() >= 3, "a script, a style and an icon: {named:?}");
            for path in named {
                assert!(
                    built.get_file(path).is_some(),
                    "{base}{path}: build the page anew (make dashboard, make demo)"
                );
                assert_ne!(kind(path), "application/octet-stream", "{path}");
            }
        }
    }
}
