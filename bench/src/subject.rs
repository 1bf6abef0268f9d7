//! What is measured: a server of some kind with its clients.

use std::{
    io::{BufRead as _, BufReader, Read, Write as _},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc,
    time::Duration,
};

use crate::{DIGITS, Failure, MARK, process};

const SECRET: &str = "a secret of at least thirty-two bytes";
/// The size of an event's frame on the wire.
pub const FRAME: u64 = 513;
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// Rows of the room: the most that one transaction changes.
const ROWS: u64 = 50;

/// A program that was started, and ends with its owner.
struct Running {
    name: String,
    child: Child,
    input: ChildStdin,
    lines: mpsc::Receiver<String>,
}

impl Running {
    /// `reads`: which of its outputs is listened to.
    fn start(command: &mut Command, reads: Output) -> Result<Self, Failure> {
        let name = command.get_program().to_string_lossy().into_owned();
        command.stdin(Stdio::piped());
        match reads {
            Output::Standard => command.stdout(Stdio::piped()),
            Output::Error => command.stderr(Stdio::piped()).stdout(Stdio::null()),
        };
        let mut child = command.spawn().map_err(|error| format!("{name}: {error}"))?;
        let input = child.stdin.take().ok_or("no input")?;
        let output: Box<dyn Read + Send> = match reads {
            Output::Standard => Box::new(child.stdout.take().ok_or("no output")?),
            Output::Error => Box::new(child.stderr.take().ok_or("no output")?),
        };
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if line.contains("WARN") || line.contains("ERROR") {
                    eprintln!("{line}");
                }
                let _ = sender.send(line);
            }
        });
        Ok(Running { name, child, input, lines })
    }

    fn tell(&mut self, line: &str) -> Result<(), Failure> {
        writeln!(self.input, "{line}").map_err(|error| format!("{}: {error}", self.name))?;
        Ok(())
    }

    /// The next line that is wanted.
    fn hear(&self, wanted: impl Fn(&str) -> bool) -> Result<String, Failure> {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).map_err(|error| format!("{}: {error}", self.name))?;
            if wanted(&line) {
                return Ok(line);
            }
        }
    }
}

enum Output {
    Standard,
    Error,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub struct Subject {
    pub name: String,
    // Ended in this order.
    load: Option<Running>,
    /// Where rows are written; `None`: the server is told itself what to send.
    psql: Option<Running>,
    server: Running,
    address: String,
    sockets: u64,
    sent: u64,
    padding: u64,
}

/// What clients were sent since their start.
#[derive(Clone, Copy, Debug, Default)]
pub struct Report {
    pub expected: u64,
    pub got: u64,
    pub lost: u64,
    pub repeated: u64,
    pub bytes: u64,
    pub pings: u64,
    pub cpu: Duration,
}

impl Subject {
    /// The program that only sends.
    pub fn floor(sockets: u64) -> Result<Self, Failure> {
        let server = Running::start(beside("floor")?.arg(sockets.to_string()), Output::Standard)?;
        let address = server.hear(|_| true)?;
        Ok(Self::new("floor", server, address, None))
    }

    /// A walcast with a database of its own. `postgres`: the URL of the cluster's database `postgres`.
    pub fn walcast(name: &str, binary: &str, postgres: &str) -> Result<Self, Failure> {
        let url = format!("{}/{name}", postgres.strip_suffix("/postgres").ok_or("not the URL of postgres")?);
        run(Command::new("psql").args(["-qXd", postgres, "-c", &format!("CREATE DATABASE {name}")]))?;
        run(Command::new(binary)
            .args(["migrate", "--database-url", &url])
            .stdout(Stdio::null())
            .stderr(Stdio::null()))?;
        let rows = format!(
            "INSERT INTO components (id, entity_type, entity_id, type) \
             SELECT lpad(n::text, 32, '0')::uuid, 'page', '1', 'text' FROM generate_series(1, {ROWS}) n"
        );
        run(Command::new("psql").args(["-qXd", &url, "-c", &rows]))?;
        let server = Running::start(
            Command::new(binary)
                .args(["serve", "--log-format", "json", "--jwt-secret", SECRET, "--listen", "127.0.0.1:0"])
                .args(["--slot", name, "--database-url", &url]),
            Output::Error,
        )?;
        let line = server.hear(|line| line.contains("\"message\":\"listening\""))?;
        let address = line.split("\"address\":\"").nth(1).and_then(|rest| rest.split('"').next());
        let address = address.ok_or("walcast does not say where it listens")?.to_owned();
        server.hear(|line| line.contains("\"to\":\"Ready\""))?;
        let psql = Running::start(Command::new("psql").args(["-qAtXd", &url]), Output::Standard)?;
        Ok(Self::new(name, server, address, Some(psql)))
    }

    fn new(name: &str, server: Running, address: String, psql: Option<Running>) -> Self {
        Subject { name: name.into(), server, address, psql, load: None, sockets: 0, sent: 0, padding: 0 }
    }

    /// Lets so many clients in.
    pub fn fill(&mut self, sockets: u64) -> Result<(), Failure> {
        let mut command = beside("load")?;
        command.args([&self.address, &sockets.to_string()]);
        if self.psql.is_some() {
            command.arg(SECRET);
        }
        let load = Running::start(&mut command, Output::Standard)?;
        load.hear(|line| line == "ready")?;
        self.load = Some(load);
        self.sockets = sockets;
        // The first event says how long the others must be.
        self.burst(1)?;
        self.padding = FRAME.saturating_sub(self.report()?.bytes / sockets);
        Ok(())
    }

    /// One event, or several at once, to every client; returns when all have them.
    pub fn burst(&mut self, count: u64) -> Result<(), Failure> {
        let numbers = self.sent + 1..=self.sent + count;
        match &mut self.psql {
            None => self.server.tell(&format!("{} {count} {FRAME}", numbers.start()))?,
            Some(psql) => {
                let padding = self.padding;
                let updates = numbers.map(|number| {
                    format!(
                        "UPDATE components SET name = '{}{number:0DIGITS$}' || repeat('.', {padding}) \
                         WHERE id = lpad('{}', 32, '0')::uuid;",
                        char::from(MARK),
                        number % ROWS + 1,
                    )
                });
                let updates: String = updates.collect();
                psql.tell(&if count == 1 { updates } else { format!("BEGIN;{updates}COMMIT;") })?;
            }
        }
        self.sent += count;
        let load = self.load.as_mut().ok_or("no clients")?;
        load.tell(&format!("until {}", self.sent))?;
        load.hear(|line| line.starts_with("at "))?;
        Ok(())
    }

    pub fn report(&mut self) -> Result<Report, Failure> {
        let load = self.load.as_mut().ok_or("no clients")?;
        load.tell("report")?;
        let line = load.hear(|line| line.starts_with("expected "))?;
        let words: Vec<&str> = line.split(' ').collect();
        let find = |name: &str| -> Result<u64, Failure> {
            let at = words.iter().position(|word| *word == name).ok_or_else(|| format!("no {name} in: {line}"))?;
            Ok(words.get(at + 1).ok_or("no number")?.parse()?)
        };
        Ok(Report {
            expected: find("expected")?,
            got: find("got")?,
            lost: find("lost")?,
            repeated: find("repeated")?,
            bytes: find("bytes")?,
            pings: find("pings")?,
            cpu: Duration::from_millis(find("cpu_ms")?),
        })
    }

    pub fn sockets(&self) -> u64 {
        self.sockets
    }

    pub fn pid(&self) -> u32 {
        self.server.child.id()
    }

    /// The CPU time that the server has used.
    pub fn cpu(&self) -> Result<Duration, Failure> {
        process::cpu(self.pid())
    }

    /// The server's resident memory, in bytes.
    pub fn memory(&self) -> Result<u64, Failure> {
        process::memory(self.pid())
    }
}

/// A program that was built with this one.
fn beside(name: &str) -> Result<Command, Failure> {
    Ok(Command::new(std::env::current_exe()?.with_file_name(name)))
}

fn run(command: &mut Command) -> Result<(), Failure> {
    let status = command.stdin(Stdio::null()).status()?;
    if status.success() { Ok(()) } else { Err(format!("{:?}: {status}", command.get_program()).into()) }
}
