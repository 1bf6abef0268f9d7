//! Programs that are started, and what they have used, as Linux says it.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read, Write as _},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc,
    thread::sleep,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    time::clock_getcpuclockid,
    unistd::Pid,
};

use crate::Failure;

/// Ticks of /proc/…/stat in a second: Linux shows it so to programs on every machine.
const TICKS: u64 = 100;
/// How long anything may take.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// How long a program may take to end.
const FAREWELL: Duration = Duration::from_secs(20);

/// CPU time of a process up to now, threads that ended included, in parts, of which Linux tells in steps of 10 ms only.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cpu {
    pub user: Duration,
    /// The kernel's for it.
    pub system: Duration,
}

impl Cpu {
    pub fn of(pid: u32) -> Result<Self, Failure> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // After the name, which may hold anything: utime and stime are the 14th and 15th field of all.
        let fields = stat.rsplit_once(") ").ok_or("a stat without a name")?.1;
        let ticks: Vec<u64> = fields.split(' ').skip(11).take(2).map(str::parse).collect::<Result<_, _>>()?;
        let [user, system] = ticks[..] else { return Err("a stat without times".into()) };
        let time = |ticks| Duration::from_millis(ticks * (1000 / TICKS));
        Ok(Cpu { user: time(user), system: time(system) })
    }

    pub fn both(self) -> Duration {
        self.user + self.system
    }
}

/// CPU time of a process up to now, to the nanosecond: that of all its threads, of those that ended too, and the kernel's for them.
pub fn on_processor(pid: u32) -> Result<Duration, Failure> {
    Ok(clock_getcpuclockid(Pid::from_raw(pid.try_into()?))?.now()?.into())
}

/// The resident memory of a process, in bytes, without what it maps of files: its own code.
pub fn memory(pid: u32) -> Result<u64, Failure> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).ok_or("a status without RssAnon")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
}

/// Which of its outputs a program is listened to by.
pub enum Output {
    Standard,
    Error,
}

/// A program that was started, and ends with its owner.
pub struct Running {
    name: String,
    child: Child,
    input: ChildStdin,
    lines: mpsc::Receiver<String>,
}

impl Running {
    pub fn start(command: &mut Command, reads: Output) -> Result<Self, Failure> {
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

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// See [`on_processor`].
    pub fn cpu(&self) -> Result<Duration, Failure> {
        on_processor(self.pid())
    }

    pub fn memory(&self) -> Result<u64, Failure> {
        memory(self.pid())
    }

    pub fn tell(&mut self, line: &str) -> Result<(), Failure> {
        writeln!(self.input, "{line}").map_err(|error| format!("{}: {error}", self.name))?;
        Ok(())
    }

    /// As whoever operates it would: with time to take leave; one that counts for a profile writes it then.
    pub fn end(&mut self) -> Result<(), Failure> {
        kill(Pid::from_raw(self.pid().try_into()?), Signal::SIGTERM)?;
        let begin = Instant::now();
        while self.child.try_wait()?.is_none() {
            if begin.elapsed() > FAREWELL {
                return Err(format!("{}: does not end", self.name).into());
            }
            sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Whether a line that is wanted is among those that came by now.
    pub fn has_said(&self, wanted: impl Fn(&str) -> bool) -> Result<bool, Failure> {
        loop {
            match self.lines.try_recv() {
                Ok(line) if wanted(&line) => return Ok(true),
                Ok(_) => {}
                Err(mpsc::TryRecvError::Empty) => return Ok(false),
                Err(error) => return Err(format!("{}: {error}", self.name).into()),
            }
        }
    }

    /// The next line that is wanted.
    pub fn hear(&self, wanted: impl Fn(&str) -> bool) -> Result<String, Failure> {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).map_err(|error| format!("{}: {error}", self.name))?;
            if wanted(&line) {
                return Ok(line);
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program that was built with this one.
pub fn beside(name: &str) -> Result<Command, Failure> {
    Ok(Command::new(std::env::current_exe()?.with_file_name(name)))
}

/// Runs a program to its end.
pub fn run(command: &mut Command) -> Result<(), Failure> {
    let status = command.stdin(Stdio::null()).status()?;
    if status.success() { Ok(()) } else { Err(format!("{:?}: {status}", command.get_program()).into()) }
}
