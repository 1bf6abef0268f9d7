//! A real nginx or HAProxy in front of servers, with the configuration that deploy/ shows.

use std::{
    net::{SocketAddr, TcpListener},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    process::Stdio,
    sync::atomic::{AtomicU16, Ordering},
    time::Duration,
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UnixStream},
    process::{Child, Command},
};

use super::{Server, within};

/// Ended when dropped.
pub struct Proxy {
    pub address: SocketAddr,
    directory: TempDir,
    _child: Child,
}

/// Where the examples expect servers; those that a test has not are left out.
const PLACES: [&str; 2] = ["127.0.0.1:4000", "127.0.0.1:4001"];

static STARTED: AtomicU16 = AtomicU16::new(0);

impl Proxy {
    /// `changes`: what stands in the example, once or more, and what takes its place.
    pub async fn nginx(servers: &[&Server], changes: &[(&str, &str)]) -> Proxy {
        let example = example("nginx.conf", servers, changes);
        start(move |directory, address| {
            let site = replaced(&example, "listen 80", &format!("listen {address}"));
            let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
                .map(|part| format!("{part}_temp_path {part};"))
                .join("\n");
            // One process, so that its end is the end of all of it.
            let main = format!(
                "daemon off; master_process off; pid nginx.pid; events {{ worker_connections 256; }}\n\
                 http {{ access_log off;\n{temporary}\ninclude site.conf; }}"
            );
            std::fs::write(directory.join("site.conf"), site).expect("writes");
            std::fs::write(directory.join("nginx.conf"), main).expect("writes");
            let prefix = format!("{}/", directory.display());
            ["nginx", "-e", "stderr", "-p", &prefix, "-c", "nginx.conf"].map(str::to_owned).to_vec()
        })
        .await
    }

    /// The same; ready once each server has been looked at.
    pub async fn haproxy(servers: &[&Server], changes: &[(&str, &str)]) -> Proxy {
        let example = example("haproxy.cfg", servers, changes);
        let proxy = start(move |directory, address| {
            let all = replaced(&example, "bind :80", &format!("bind {address}"));
            let statistics = format!("global\n    stats socket {}\n", directory.join("stats").display());
            std::fs::write(directory.join("haproxy.cfg"), statistics + &all).expect("writes");
            let file = directory.join("haproxy.cfg").display().to_string();
            ["haproxy", "-db", "-f", &file].map(str::to_owned).to_vec()
        })
        .await;
        // It takes a server for healthy until it has asked, and listens before its statistics can be had.
        let unasked = |server: &Statistics| server.last_check.is_empty() || server.last_check.starts_with('*');
        within("the first look at all servers", async {
            while !proxy.socket().exists() || proxy.statistics().await.iter().any(unasked) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
        .await;
        proxy
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("stats")
    }

    /// What HAProxy knows of its servers, in the order of the example.
    pub async fn statistics(&self) -> Vec<Statistics> {
        let mut stream = UnixStream::connect(self.socket()).await.expect("HAProxy runs");
        stream.write_all(b"show stat\n").await.expect("writes");
        let mut table = String::new();
        stream.read_to_string(&mut table).await.expect("reads");
        let mut lines = table.lines().map(|line| line.split(',').collect::<Vec<_>>());
        let names = lines.next().expect("a head");
        let column = |name: &str| names.iter().position(|column| *column == name).expect("a column");
        let (kind, sessions, check) = (column("type"), column("stot"), column("check_status"));
        lines
            .filter(|line| line.get(kind) == Some(&"2"))
            .map(|line| Statistics {
                sessions: line[sessions].parse().expect("a number"),
                last_check: line[check].to_owned(),
            })
            .collect()
    }
}

/// Of one server.
#[derive(Debug)]
pub struct Statistics {
    /// How many were handed to it.
    pub sessions: u64,
    /// Empty before the first; begins with `*` while one is under way.
    pub last_check: String,
}

fn example(name: &str, servers: &[&Server], changes: &[(&str, &str)]) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name);
    let mut text = std::fs::read_to_string(path).expect("an example");
    for (number, place) in PLACES.iter().enumerate() {
        text = match servers.get(number) {
            Some(server) => replaced(&text, place, &server.address.to_string()),
            None => text.lines().filter(|line| !line.contains(place)).map(|line| format!("{line}\n")).collect(),
        };
    }
    changes.iter().fold(text, |text, (from, to)| replaced(&text, from, to))
}

fn replaced(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "the example has no `{from}` any more");
    text.replace(from, to)
}

/// Starts what `prepare` says, which may put files into the directory, on a free port of ours.
async fn start(prepare: impl Fn(&Path, SocketAddr) -> Vec<String>) -> Proxy {
    for _ in 0..5 {
        let address = SocketAddr::from(([127, 0, 0, 1], port()));
        if TcpListener::bind(address).is_err() {
            continue;
        }
        let directory = TempDir::with_prefix("walcast-proxy-").expect("a directory");
        // It is not root who works in it.
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o777)).expect("opens it");
        let command = prepare(directory.path(), address);
        let mut child = unprivileged(&command);
        if listens(&mut child, address).await {
            return Proxy { address, directory, _child: child };
        }
    }
    panic!("it did not start (what it said is above)");
}

/// Below the ports that the system hands out by itself, and hardly ever that of a test that runs beside.
fn port() -> u16 {
    let number = std::process::id() as u16 % 2_000 * 5 + STARTED.fetch_add(1, Ordering::Relaxed) % 5;
    10_000 + number
}

fn unprivileged(command: &[String]) -> Child {
    let is_root = std::fs::metadata("/proc/self").expect("Linux").uid() == 0;
    let (program, arguments) = command.split_first().expect("a program");
    let mut command = if is_root {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups", program]);
        command
    } else {
        Command::new(program)
    };
    // Where Debian keeps servers, which is not in everybody's PATH.
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    command.args(arguments).env("PATH", path).current_dir("/").stdin(Stdio::null()).kill_on_drop(true);
    command.spawn().unwrap_or_else(|error| panic!("{program} does not run, which `make test` installs: {error}"))
}

/// Whether it does before it ends. Neither tells anybody when it does, so they are tried.
async fn listens(child: &mut Child, address: SocketAddr) -> bool {
    within("a proxy that listens", async {
        loop {
            if child.try_wait().expect("waits").is_some() {
                return false;
            }
            if TcpStream::connect(address).await.is_ok() {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
}
