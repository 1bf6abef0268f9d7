//! `walcast dev` opens the dashboard to whoever sits at the machine, and to nobody else.

use serde_json::{Value, json};

use crate::support::{Development, Sockets};

/// An origin that FRONTEND_URL lets in, unless it is said otherwise.
const LISTED: &str = "http://localhost:5173";

/// Comes in, or is told why not; waits for a server that does not stream yet.
async fn come(sockets: &Sockets, url: &str, options: &Value) -> Result<(), String> {
    loop {
        let order = json!({ "url": format!("{url}/dashboard"), "options": options });
        match sockets.client(order).await {
            Err(error) if error.ends_with("error") && !error.contains("Authentication") => {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
            outcome => return outcome.map(drop),
        }
    }
}

#[tokio::test]
async fn who_is_at_the_machine_needs_no_token_and_a_page_of_another_origin_does() {
    let dev = Development::start("127.0.0.1:0").await;
    let (url, token) = (dev.url(), dev.printed("token"));
    assert_eq!(dev.printed("dashboard"), Some(format!("{url}/dashboard")));
    let sockets = Sockets::start().await;
    for transport in ["websocket", "polling"] {
        let from = |header: &str, value: &str| json!({ "transports": [transport], "extraHeaders": { header: value } });
        assert_eq!(come(&sockets, &url, &json!({ "transports": [transport] })).await, Ok(()));
        assert_eq!(come(&sockets, &url, &from("Origin", &url)).await, Ok(()), "the page itself");
        for (header, value) in [("Origin", LISTED), ("X-Forwarded-For", "203.0.113.7")] {
            let refused = come(&sockets, &url, &from(header, value)).await;
            assert_eq!(refused.err().as_deref(), Some("Authentication error: No token provided"), "{header}: {value}");
        }
        let mut with_token = from("Origin", LISTED);
        with_token["auth"] = json!({ "token": token });
        assert_eq!(come(&sockets, &url, &with_token).await, Ok(()), "its token is an admin's");
        let wrong = json!({ "transports": [transport], "auth": { "token": "a.b.c" } });
        let refused = come(&sockets, &url, &wrong).await;
        assert_eq!(refused.err().as_deref(), Some("Authentication error: Invalid token"));
    }
    dev.end().await;
}

#[tokio::test]
async fn where_others_can_reach_it_everybody_needs_a_token() {
    let dev = Development::start("0.0.0.0:0").await;
    let url = dev.url();
    let sockets = Sockets::start().await;
    let refused = come(&sockets, &url, &json!({ "transports": ["websocket"] })).await;
    assert_eq!(refused.err().as_deref(), Some("Authentication error: No token provided"));
    dev.end().await;
}
