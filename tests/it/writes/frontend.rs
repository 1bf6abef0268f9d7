//! The frontend that exists today, as its authors wrote it: `tests/js/frontend.mjs`.

use tokio::process::Command;

use crate::support::{Database, Server, token, within};

#[tokio::test]
async fn it_edits_a_page_with_two_users() {
    let database = Database::new().await;
    let server = Server::start(&database).await;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/js/frontend.mjs");
    let mut node = Command::new("node");
    node.args([script, &server.url(), &token("ann"), &token("bob")]).kill_on_drop(true);
    let output = within("the end of the page", node.output()).await.expect("node runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
