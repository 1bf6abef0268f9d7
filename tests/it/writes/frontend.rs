//! The frontend that exists today, as its authors wrote it: `tests/js/frontend.mjs`, and `tests/js/hook.mjs` in React.

use tokio::process::Command;

use crate::support::{Database, Server, token, within};

#[tokio::test]
async fn it_edits_a_page_with_two_users() {
    runs("frontend.mjs").await;
}

#[tokio::test]
async fn a_hook_of_react_that_fetches_on_every_event_shows_what_is_there() {
    runs("hook.mjs").await;
}

/// Runs a script with ann's token and bob's.
async fn runs(script: &str) {
    let database = Database::new().await;
    let server = Server::start(&database).await;
    let script = format!("{}/tests/js/{script}", env!("CARGO_MANIFEST_DIR"));
    let mut node = Command::new("node");
    node.args([&script, &server.url(), &token("ann"), &token("bob")]).kill_on_drop(true);
    let output = within("the end of the page", node.output()).await.expect("node runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
