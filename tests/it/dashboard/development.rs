//! `walcast dev` opens the dashboard to whoever sits at the machine, and to nobody else.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Child,
};

use crate::support::{Sockets, walcast, within};

/// An origin that FRONTEND_URL lets in, unless it is said otherwise.
const LISTED: &str = "http://localhost:5173";

/// A `walcast dev` that listens; and what it printed of a name.
async fn dev(listen: &str, folder: &tempfile::TempDir) -> (Child, impl Fn(&str) -> String) {
    let mut child = walcast()
        .args(["dev", "--listen", listen, "--postgres-port", "0", "--dir"])
        .arg(folder.path().join("dev"))
        .stdout(Stdio::piped())
        .spawn()
        .expect("spawns");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut printed = Vec::new();
    while !printed.last().is_some_and(|line: &String| line.contains("UPDATE components")) {
        printed.push(within("what it prints", lines.next_line()).await.expect("reads").expect("a line"));
    }
    let of = move |name: &str| {
        let line = printed.iter().find(|line| line.trim_start().starts_with(name)).expect("it is printed");
        line.split_whitespace().nth(1).expect("a value").to_owned()
    };
    (child, of)
}

async fn end(mut child: Child) {
    let pid = child.id().expect("it runs").to_string();
    assert!(tokio::process::Command::new("kill").args(["-INT", &pid]).status().await.expect("runs").success());
    within("the end", child.wait()).await.expect("waits");
}

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
    let folder = tempfile::tempdir().expect("a folder");
    let (child, printed) = dev("127.0.0.1:0", &folder).await;
    let (url, token) = (printed("server"), printed("token"));
    assert_eq!(printed("dashboard"), format!("{url}/dashboard"));
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
    end(child).await;
}

#[tokio::test]
async fn where_others_can_reach_it_everybody_needs_a_token() {
    let folder = tempfile::tempdir().expect("a folder");
    let (child, printed) = dev("0.0.0.0:0", &folder).await;
    let url = printed("server").replace("0.0.0.0", "127.0.0.1");
    let sockets = Sockets::start().await;
    let refused = come(&sockets, &url, &json!({ "transports": ["websocket"] })).await;
    assert_eq!(refused.err().as_deref(), Some("Authentication error: No token provided"));
    end(child).await;
}
