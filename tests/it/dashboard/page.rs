//! The page as it is served.

use crate::support::{Database, Server};

fn header<'a>(head: &'a str, name: &str) -> &'a str {
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
}

#[tokio::test]
async fn the_page_is_asked_for_again_and_what_it_loads_is_kept_for_ever() {
    let database = Database::new().await;
    let server = Server::start(&database).await;
    let (status, head, page) = server.get("/dashboard", &[]).await;
    assert_eq!((status, header(&head, "content-type")), (200, "text/html; charset=utf-8"));
    assert_eq!(header(&head, "cache-control"), "no-cache");
    let tag = header(&head, "etag");
    let (status, _, body) = server.get("/dashboard/", &[&format!("If-None-Match: {tag}")]).await;
    assert_eq!((status, body.as_str()), (304, ""));

    let loaded: Vec<&str> = page.split('"').filter(|text| text.starts_with("/dashboard/")).collect();
    assert!(loaded.len() >= 3, "{page}");
    for path in loaded {
        let (status, head, body) = server.get(path, &[]).await;
        let kind = match path.rsplit_once('.').map(|(_, kind)| kind) {
            Some("js") => "text/javascript; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            _ => "image/svg+xml",
        };
        assert_eq!((status, header(&head, "content-type")), (200, kind), "{path}");
        assert!(!body.is_empty());
        let kept = if path.contains("/assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
        assert_eq!(header(&head, "cache-control"), kept, "{path}");
    }
    for path in ["/dashboard/nothing.js", "/dashboard/../Cargo.toml", "/dashboard/assets/"] {
        assert_eq!(server.get(path, &[]).await.0, 404, "{path}");
    }
}

#[tokio::test]
async fn the_page_lets_no_foreign_script_run_and_nobody_frame_it() {
    let database = Database::new().await;
    let server = Server::start(&database).await;
    let (_, head, page) = server.get("/dashboard", &[]).await;
    let policy = header(&head, "content-security-policy");
    for part in ["default-src 'none'", "script-src 'self';", "connect-src 'self';", "frame-ancestors 'none'"] {
        assert!(policy.contains(part), "no {part} in {policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!((header(&head, "x-frame-options"), header(&head, "referrer-policy")), ("DENY", "no-referrer"));
    assert!(!page.contains("<script>") && !page.contains("<style"), "inline: {page}");
}
