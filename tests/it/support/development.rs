use std::{net::SocketAddr, process::Stdio, time::Duration};

use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use super::{request, walcast, within};

/// A running `walcast dev`, with a Postgres of its own.
pub struct Development {
    child: Child,
    printed: Vec<String>,
    _folder: TempDir,
}

impl Development {
    /// Starts one that listens on this address, and waits until it has printed what to try, and streams.
    pub async fn start(listen: &str) -> Development {
        let folder = tempfile::tempdir().expect("a folder");
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
        let dev = Development { child, printed, _folder: folder };
        while request(dev.address(), "GET", "/readyz", &[]).await.0 != 200 {
            // It does not say when it begins to.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        dev
    }

    /// What it printed of a name; `None`: nothing.
    pub fn printed(&self, name: &str) -> Option<String> {
        let line = self.printed.iter().find(|line| line.trim_start().starts_with(name))?;
        line.split_whitespace().nth(1).map(str::to_owned)
    }

    /// By which this machine reaches it.
    pub fn url(&self) -> String {
        self.printed("server").expect("it is printed").replace("0.0.0.0", "127.0.0.1")
    }

    pub fn address(&self) -> SocketAddr {
        self.url().trim_start_matches("http://").parse().expect("an address")
    }

    /// As Ctrl-C does, so that it takes its Postgres along.
    pub async fn end(mut self) {
        let pid = self.child.id().expect("it runs").to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().await.expect("runs").success());
        within("the end", self.child.wait()).await.expect("waits");
    }
}
