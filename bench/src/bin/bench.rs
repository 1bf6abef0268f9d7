//! `bench [W1 …]`: what walcast costs, beside its peers; see ../README.md. Run it by run.sh.

use std::{fs, str::FromStr};

use walcast_bench::{
    Failure,
    server::Programs,
    workload::{self, Workload},
};

fn main() -> Result<(), Failure> {
    let programs = Programs {
        postgres: setting("WALCAST_TEST_POSTGRES")?.ok_or("run it by run.sh, which starts Postgres")?,
        walcast: setting("WALCAST")?.ok_or("WALCAST names no binary")?,
        before: setting("BEFORE")?,
        peer: setting("PEER")?.ok_or("PEER names no script")?,
    };
    let extent =
        workload::Extent { rounds: setting("ROUNDS")?.unwrap_or(2), seconds: setting("SECONDS_EACH")?.unwrap_or(5) };
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let mut text = String::new();
    for (name, workload) in chosen(&wanted)? {
        let section = workload(&programs, extent).map_err(|error| format!("{name}: {error}"))?;
        text.push_str(&section.text());
        text.push('\n');
    }
    match setting::<String>("RESULTS")? {
        Some(path) => fs::write(&path, text).map_err(|error| format!("{path}: {error}"))?,
        None => print!("{text}"),
    }
    Ok(())
}

/// Those that are named; W1 to W8 where none is.
fn chosen(names: &[String]) -> Result<Vec<(&'static str, Workload)>, Failure> {
    if names.is_empty() {
        return Ok(workload::ALL.to_vec());
    }
    let all = || workload::ALL.into_iter().chain(workload::OTHERS);
    let mut chosen = Vec::new();
    for wanted in names {
        let known = all().find(|(name, _)| name == wanted);
        let names = || all().map(|(name, _)| name).collect::<Vec<_>>().join(", ");
        chosen.push(known.ok_or_else(|| format!("there is no workload {wanted}: {}", names()))?);
    }
    Ok(chosen)
}

/// A setting; one that is empty is not set.
fn setting<T: FromStr<Err: std::error::Error + 'static>>(name: &str) -> Result<Option<T>, Failure> {
    match std::env::var(name).ok().filter(|text| !text.is_empty()) {
        Some(text) => Ok(Some(text.parse().map_err(|error| format!("{name}: {error}"))?)),
        None => Ok(None),
    }
}
