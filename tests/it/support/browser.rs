use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use super::{Client, Sockets, sockets};

/// A real Chromium without a window, whose pages hold stock clients: see tests/js/browser.mjs.
pub struct Browser {
    sockets: Sockets,
    /// Its profile; it must be gone before this is removed.
    _directory: TempDir,
}

/// A page that is open.
pub struct Page {
    pub origin: String,
    number: Value,
}

impl Browser {
    pub fn start() -> Browser {
        let directory = TempDir::with_prefix("walcast-browser-").expect("a directory");
        let mut node = Command::new("node");
        node.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/js/browser.mjs")).env("TMPDIR", directory.path());
        Browser { sockets: Sockets::spawn(node), _directory: directory }
    }

    /// Opens a page of an origin of its own.
    pub async fn open(&self) -> Page {
        self.open_at(None).await
    }

    /// Opens another page of the same origin.
    pub async fn open_beside(&self, page: &Page) -> Page {
        self.open_at(Some(&page.origin)).await
    }

    async fn open_at(&self, origin: Option<&str>) -> Page {
        let page = self.order(json!({ "do": "page", "origin": origin })).await;
        Page { number: page["page"].clone(), origin: page["origin"].as_str().expect("an origin").to_owned() }
    }

    /// A client in a page, by its own options; `Err` is the message of its `connect_error`.
    pub async fn client(&self, page: &Page, url: &str, options: &Value) -> Result<Client, String> {
        self.sockets.client(json!({ "page": page.number, "url": url, "options": options })).await
    }

    /// A client in a page that comes back by itself and resumes.
    pub async fn resuming(&self, page: &Page, url: &str, transports: &[&str]) -> Client {
        let options = sockets::page(transports);
        let order = json!({ "page": page.number, "url": url, "options": options, "resumes": true });
        self.sockets.client(order).await.expect("connects")
    }

    /// Takes the network away from all pages, or gives it back.
    pub async fn offline(&self, offline: bool) {
        self.order(json!({ "do": "offline", "offline": offline })).await;
    }

    pub async fn close(self) {
        self.order(json!({ "do": "close" })).await;
    }

    async fn order(&self, line: Value) -> Value {
        self.sockets.order(line).await.expect("it does")
    }
}
