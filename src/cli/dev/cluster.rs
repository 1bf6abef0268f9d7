use std::{
    fs::{self, DirBuilder, File},
    io::{self, Write},
    net::TcpListener,
    os::unix::{
        ffi::OsStrExt,
        fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown, fchown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use sha2::{Digest, Sha256};

use super::{binaries, secret_in};

/// A running private Postgres.
pub struct Cluster {
    bin: PathBuf,
    data: PathBuf,
    user: Option<SystemUser>,
    /// For superuser `postgres` of database `postgres`, over TCP on loopback.
    pub url: String,
}

/// Whom Postgres runs as, where we are root, which it refuses.
#[derive(Clone, Copy)]
struct SystemUser {
    uid: u32,
    gid: u32,
}

impl Cluster {
    /// Starts the cluster in a folder, made where it is missing. One that still runs is taken over.
    pub fn start(dir: &Path, preferred_port: u16) -> Result<Cluster, String> {
        let told = |what: &str, path: &Path| {
            let text = format!("cannot {what} {}", path.display());
            move |error: io::Error| format!("{text}: {error}")
        };
        let bin = binaries::find()?;
        fs::create_dir_all(dir).map_err(told("create", dir))?;
        let dir = dir.canonicalize().map_err(told("resolve", dir))?;
        let password = secret_in(&dir.join("postgres_password")).map_err(told("write a password in", &dir))?;

        let user = system_user(&dir).map_err(|error| format!("cannot tell which user to run Postgres as: {error}"))?;
        let data = data_folder(&dir, user).map_err(told("create the data folder in", &dir))?;
        let mut cluster = Cluster { bin, data, user, url: String::new() };
        if !cluster.data.join("PG_VERSION").is_file() {
            cluster.init(&dir, &password)?;
        }
        let port = match cluster.running_port() {
            Some(port) => port,
            None => {
                let port = free_port(preferred_port).map_err(|error| format!("no free port for Postgres: {error}"))?;
                cluster.launch(&dir, port)?;
                port
            }
        };
        cluster.url = format!("postgres://postgres:{password}@127.0.0.1:{port}/postgres");
        Ok(cluster)
    }

    pub fn stop(&self) -> Result<(), String> {
        self.command("pg_ctl").args(["stop", "-w", "-m", "fast", "-D"]).arg(&self.data).run("stop Postgres")
    }

    /// `psql`, by its path where it is not on PATH.
    pub fn psql(&self) -> PathBuf {
        let on_path = std::env::var_os("PATH")
            .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join("psql").is_file()));
        if on_path { "psql".into() } else { self.bin.join("psql") }
    }

    fn init(&self, dir: &Path, password: &str) -> Result<(), String> {
        // initdb reads it as the user it runs as, so it must not stay where only we may look.
        let handed = self.data.with_extension("pwfile");
        let told = |error: io::Error| format!("cannot write {}: {error}", handed.display());
        self.hand_over(&handed, password).map_err(told)?;
        let outcome = self
            .command("initdb")
            .args(["-U", "postgres", "-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "-D"])
            .arg(&self.data)
            .arg("--pwfile")
            .arg(&handed)
            .run(&format!("make a Postgres cluster in {}", dir.display()));
        fs::remove_file(&handed).map_err(told)?;
        outcome
    }

    /// A file that is new, so that nobody has it open, and that only Postgres's user may read.
    fn hand_over(&self, path: &Path, password: &str) -> io::Result<()> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(password.as_bytes())?;
        self.user.map_or(Ok(()), |user| fchown(&file, Some(user.uid), Some(user.gid)))
    }

    fn launch(&self, dir: &Path, port: u16) -> Result<(), String> {
        let log = dir.join("postgres.log");
        let file = File::create(&log).map_err(|error| format!("cannot write {}: {error}", log.display()))?;
        let plugins = if self.lists_plugins() { " -c output_plugin_libraries=pgoutput,wal2json" } else { "" };
        let options = format!(
            "-c wal_level=logical -c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories= \
             -c max_replication_slots=20 -c max_wal_senders=20 -c max_slot_wal_keep_size=1GB -c timezone=UTC{plugins}"
        );
        self.command("pg_ctl")
            .args(["start", "-w", "-t", "60", "-o", &options, "-D"])
            .arg(&self.data)
            .stdout(Stdio::from(file.try_clone().map_err(|error| error.to_string())?))
            .stderr(Stdio::from(file))
            .run(&format!("start Postgres (its log is {})", log.display()))
    }

    /// Since 15.19 Postgres loads plugins that are not its own only where it is told of them; before, it knew no such setting.
    fn lists_plugins(&self) -> bool {
        let settings = self.command("postgres").arg("--describe-config").output().map(|output| output.stdout);
        settings.is_ok_and(|text| String::from_utf8_lossy(&text).contains("output_plugin_libraries\t"))
    }

    /// The port of the server that runs on this data: the fourth line of its pid file.
    fn running_port(&self) -> Option<u16> {
        let status =
            self.command("pg_ctl").args(["status", "-D"]).arg(&self.data).stdout(Stdio::null()).status().ok()?;
        let pid_file = fs::read_to_string(self.data.join("postmaster.pid")).ok()?;
        status.success().then(|| pid_file.lines().nth(3)?.trim().parse().ok()).flatten()
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.bin.join(program));
        // A folder that the user may not enter would be the first complaint of every program.
        command.current_dir("/").stdin(Stdio::null());
        if let Some(user) = self.user {
            command.uid(user.uid).gid(user.gid);
        }
        command
    }
}

trait Run {
    fn run(&mut self, doing: &str) -> Result<(), String>;
}

impl Run for Command {
    fn run(&mut self, doing: &str) -> Result<(), String> {
        let output = self.output().map_err(|error| format!("cannot {doing}: {error}"))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(format!("cannot {doing}: {} ({})", said.trim(), output.status))
    }
}

/// The folder for the data, owned by the user that Postgres runs as. A user who may not enter our folder (one under
/// `/root`, say) gets one in `/var/tmp`, named after ours so that the next start finds it.
fn data_folder(dir: &Path, user: Option<SystemUser>) -> io::Result<PathBuf> {
    let Some(user) = user else { return Ok(dir.join("postgres")) };
    let may_enter = Command::new("test")
        .arg("-x")
        .arg(dir)
        .uid(user.uid)
        .gid(user.gid)
        .status()
        .is_ok_and(|status| status.success());
    let data = if may_enter { dir.join("postgres") } else { fallback(dir, user)?.join("postgres") };
    fs::create_dir_all(&data)?;
    chown(&data, Some(user.uid), Some(user.gid))?;
    Ok(data)
}

/// Our own folder in a place where everybody may make one: whoever made it first would hold our data and password.
fn fallback(dir: &Path, user: SystemUser) -> io::Result<PathBuf> {
    let name: String = Sha256::digest(dir.as_os_str().as_bytes()).iter().take(8).map(|b| format!("{b:02x}")).collect();
    let folder = PathBuf::from(format!("/var/tmp/walcast-dev-{name}"));
    match DirBuilder::new().mode(0o700).create(&folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let found = fs::symlink_metadata(&folder)?;
    if !found.is_dir() || ![0, user.uid].contains(&found.uid()) {
        return Err(io::Error::other(format!("{} is somebody else's: remove it", folder.display())));
    }
    chown(&folder, Some(user.uid), Some(user.gid))?;
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
    Ok(folder)
}

/// `None`: we are no root, so Postgres runs as we do.
fn system_user(dir: &Path) -> io::Result<Option<SystemUser>> {
    // What we make is ours, on every system.
    let made = dir.join(format!("owner-{}", std::process::id()));
    fs::create_dir(&made)?;
    let owner = fs::metadata(&made).map(|made| made.uid());
    fs::remove_dir(&made)?;
    if owner? != 0 {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd")?;
    let entry = |name: &str| {
        let mut fields =
            users.lines().map(|line| line.split(':')).find(|fields| fields.clone().next() == Some(name))?;
        Some(SystemUser { uid: fields.nth(2)?.parse().ok()?, gid: fields.next()?.parse().ok()? })
    };
    let user = entry("postgres").or_else(|| entry("nobody"));
    user.map(Some)
        .ok_or_else(|| io::Error::other("Postgres does not run as root, and there is no user postgres or nobody"))
}

fn free_port(preferred: u16) -> io::Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", preferred)).or_else(|_| TcpListener::bind(("127.0.0.1", 0)))?;
    Ok(listener.local_addr()?.port())
}
