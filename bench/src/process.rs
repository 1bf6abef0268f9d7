//! What a process has used, as Linux says it.

use std::{fs, time::Duration};

use crate::Failure;

/// Ticks of /proc/…/stat in a second: Linux shows it so to programs on every machine.
const TICKS: u64 = 100;

/// The CPU time of a process up to now, its own and the kernel's for it, threads that ended included.
pub fn cpu(pid: u32) -> Result<Duration, Failure> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // After the name, which may hold anything: utime and stime are the 14th and 15th field of all.
    let fields = stat.rsplit_once(") ").ok_or("a stat without a name")?.1;
    let ticks: Vec<u64> = fields.split(' ').skip(11).take(2).map(str::parse).collect::<Result<_, _>>()?;
    Ok(Duration::from_millis(ticks.iter().sum::<u64>() * (1000 / TICKS)))
}

/// The resident memory of a process, in bytes, without what it maps of files: its own code.
pub fn memory(pid: u32) -> Result<u64, Failure> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).ok_or("a status without RssAnon")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
}
