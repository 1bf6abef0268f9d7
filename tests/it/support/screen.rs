use std::sync::Arc;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use super::Sockets;

/// A page on the screen of a real Chromium, with a keyboard: see tests/js/screen.mjs. What goes wrong in the page fails the
/// next order.
pub struct Screen {
    browser: Arc<Driver>,
    tab: String,
}

struct Driver {
    orders: Sockets,
    /// Its profile; it must be gone before this is removed.
    _directory: TempDir,
}

impl Screen {
    pub fn start() -> Screen {
        let directory = TempDir::with_prefix("walcast-screen-").expect("a directory");
        let mut node = Command::new("node");
        node.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/js/screen.mjs")).env("TMPDIR", directory.path());
        let driver = Driver { orders: Sockets::spawn(node), _directory: directory };
        Screen { browser: Arc::new(driver), tab: "first".to_owned() }
    }

    /// Another screen of the same browser, whose pages know nothing of those of this one.
    pub fn beside(&self, tab: &str) -> Screen {
        Screen { browser: self.browser.clone(), tab: tab.to_owned() }
    }

    pub async fn open(&self, url: &str, dark: bool, width: u32) {
        self.order(json!({ "do": "open", "url": url, "dark": dark, "width": width })).await;
    }

    /// The same, so that its sockets can be blocked.
    pub async fn open_blockable(&self, url: &str) {
        self.order(json!({ "do": "open", "url": url, "dark": false, "width": 1280, "blockable": true })).await;
    }

    /// Lets no socket through, or lets them again.
    pub async fn block(&self, blocked: bool) {
        self.order(json!({ "do": "block", "blocked": blocked })).await;
    }

    /// The process that renders the tab dies.
    pub async fn kill(&self) {
        self.order(json!({ "do": "kill" })).await;
    }

    pub async fn press(&self, keys: &[&str]) {
        self.order(json!({ "do": "press", "keys": keys })).await;
    }

    pub async fn text(&self, text: &str) {
        self.order(json!({ "do": "type", "text": text })).await;
    }

    pub async fn click(&self, role: &str, name: &str) {
        self.order(json!({ "do": "click", "role": role, "name": name })).await;
    }

    /// Puts a text in place of what a field holds, and stays in the field.
    pub async fn fill(&self, css: &str, text: &str) {
        self.order(json!({ "do": "fill", "css": css, "text": text })).await;
    }

    pub async fn point(&self, css: &str) {
        self.order(json!({ "do": "point", "css": css })).await;
    }

    /// Waits until a field holds exactly this.
    pub async fn holds(&self, css: &str, value: &str) {
        self.order(json!({ "do": "holds", "css": css, "value": value })).await;
    }

    /// Waits until no element shows that has this text.
    pub async fn gone(&self, css: &str, text: &str) {
        self.order(json!({ "do": "gone", "css": css, "text": text })).await;
    }

    /// What a field holds now, or whether it is ticked.
    pub async fn reads(&self, css: &str) -> Value {
        self.order(json!({ "do": "reads", "css": css })).await
    }

    /// Waits until an element has this text; all of its text.
    pub async fn see(&self, css: &str, text: &str) -> String {
        let seen = self.order(json!({ "do": "see", "css": css, "text": text })).await;
        seen.as_str().expect("a text").to_owned()
    }

    /// Presses a key until the keyboard is at what has this label or id.
    pub async fn go_to(&self, key: &str, label: &str) {
        for _ in 0..100 {
            if self.order(json!({ "do": "focused" })).await == label {
                return;
            }
            self.press(&[key]).await;
        }
        panic!("{key} does not lead to {label}");
    }

    /// What axe finds serious or critical, and how wide what is shown is.
    pub async fn audit(&self) -> (Value, u64) {
        let width = self.order(json!({ "do": "width" })).await.as_u64().expect("a width");
        (self.order(json!({ "do": "audit" })).await, width)
    }

    /// What the page keeps, and its address.
    pub async fn stored(&self) -> Value {
        self.order(json!({ "do": "stored" })).await
    }

    /// A picture for people, in the folder that WALCAST_SHOTS names, if it does.
    pub async fn shot(&self, name: &str) {
        if let Some(folder) = std::env::var_os("WALCAST_SHOTS") {
            let path = std::path::Path::new(&folder).join(name);
            self.order(json!({ "do": "shot", "path": path })).await;
        }
    }

    pub async fn close(self) {
        self.order(json!({ "do": "close" })).await;
    }

    async fn order(&self, mut line: Value) -> Value {
        line["tab"] = self.tab.as_str().into();
        let told = line.to_string();
        self.browser.orders.order(line).await.unwrap_or_else(|error| panic!("{told}: {error}"))
    }
}
