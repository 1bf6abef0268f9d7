use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::Args;
use serde_json::json;

use super::Failure;
use crate::{
    config::{DatabaseArgs, StreamArgs, parse_bytes},
    doctor::{Finding, Settings, Severity, examine},
    store::Store,
};

/// Beside its own, the settings of `walcast serve` that a database is judged by.
#[derive(Args)]
pub struct DoctorArgs {
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    stream: StreamArgs,
    /// The replication slot of the server
    #[arg(long, env = "WALCAST_SLOT", default_value = "walcast", value_name = "NAME")]
    slot: String,
    /// The most log that Postgres holds for clients that come back (kB, KiB, MB, MiB, GB, GiB)
    #[arg(long, env = "WALCAST_REPLAY_BYTES", default_value = "64MiB", value_parser = parse_bytes, value_name = "BYTES")]
    replay_bytes: usize,
    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
}

/// Exit code 1 where a finding is an error, else 0.
pub async fn run(args: DoctorArgs) -> Result<ExitCode, Failure> {
    let store = Store::connect(&args.database.dsn()?).await?;
    let settings = Settings {
        publication: args.stream.publication,
        slot: args.slot,
        plugin: args.stream.plugin,
        client_role: args.stream.client_role,
        replay_bytes: args.replay_bytes as u64,
    };
    let findings = examine(&store, &settings).await?;
    let ok = findings.iter().all(|finding| finding.severity != Severity::Error);
    let mut out = io::stdout().lock();
    let printed = if args.json {
        writeln!(out, "{:#}", json!({ "ok": ok, "findings": findings }))
    } else {
        print(&mut out, findings)
    };
    match printed {
        // Whoever read our output has gone, as `head` does.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(if ok { ExitCode::SUCCESS } else { ExitCode::from(1) }),
    }
}

/// The worst first.
fn print(out: &mut impl Write, mut findings: Vec<Finding>) -> io::Result<()> {
    findings.sort_by_key(|finding| finding.severity);
    for Finding { name, severity, what, why, remedy } in &findings {
        writeln!(out, "{severity} ({name}): {what}\n  why:  {why}\n  mend: {remedy}\n")?;
    }
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    match (count(Severity::Error), count(Severity::Warning), count(Severity::Note)) {
        (0, 0, 0) => writeln!(out, "all is well"),
        (errors, warnings, notes) => writeln!(out, "errors: {errors}, warnings: {warnings}, notes: {notes}"),
    }
}
