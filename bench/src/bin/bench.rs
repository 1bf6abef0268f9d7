//! `bench`: what a walcast costs, beside a program that only sends; see ../README.md. Run it by run.sh.

use std::{str::FromStr, thread::sleep, time::Duration};

use walcast_bench::{
    Failure,
    subject::{FRAME, Subject},
};

/// How many events come at once, and how often they do in one sample.
const BURSTS: [(u64, u64); 3] = [(1, 40), (10, 40), (50, 20)];
/// The same for the load that the memory is looked at after.
const LOAD: [(u64, u64); 3] = [(1, 50), (10, 20), (50, 10)];
/// A little longer than the server's time between two pings: each client is pinged once in it.
const IDLE: Duration = Duration::from_secs(26);
/// What the servers have to come to rest.
const REST: Duration = Duration::from_secs(3);

struct Settings {
    postgres: String,
    walcast: String,
    stock: Option<String>,
    sockets: u64,
    memory_sockets: u64,
    rounds: usize,
    /// The only number of events at once; `None`: all that there are.
    burst: Option<u64>,
}

fn main() -> Result<(), Failure> {
    let settings = Settings {
        postgres: setting("WALCAST_TEST_POSTGRES")?.ok_or("run it by run.sh, which starts Postgres")?,
        walcast: setting("WALCAST")?.unwrap_or("target/release/walcast".into()),
        stock: setting("STOCK")?,
        sockets: setting("SOCKETS")?.unwrap_or(5_000),
        memory_sockets: setting("MEMORY_SOCKETS")?.unwrap_or(10_000),
        rounds: setting("ROUNDS")?.unwrap_or(5),
        burst: setting("BURST")?,
    };
    let only: Option<String> = setting("ONLY")?;
    let wanted = |part| only.as_deref().is_none_or(|only| only == part);
    if wanted("cpu") {
        measure_cpu(&settings)?;
    }
    if wanted("memory") {
        measure_memory(&settings)?;
    }
    Ok(())
}

/// A setting; one that is empty is not set.
fn setting<T: FromStr<Err: std::error::Error + 'static>>(name: &str) -> Result<Option<T>, Failure> {
    match std::env::var(name).ok().filter(|text| !text.is_empty()) {
        Some(text) => Ok(Some(text.parse().map_err(|error| format!("{name}: {error}"))?)),
        None => Ok(None),
    }
}

fn walcasts(settings: &Settings, purpose: &str) -> impl Iterator<Item = (String, String)> {
    let Settings { walcast, stock, .. } = settings;
    let both = [("walcast", Some(walcast)), ("stock", stock.as_ref())];
    let named = both.into_iter().filter_map(|(name, binary)| Some((name, binary?.clone())));
    named.map(move |(name, binary)| (format!("{name}{purpose}"), binary)).collect::<Vec<_>>().into_iter()
}

/// CPU a delivery: all servers side by side, measured in turns.
fn measure_cpu(settings: &Settings) -> Result<(), Failure> {
    let mut subjects = vec![Subject::floor(settings.sockets)?];
    for (name, binary) in walcasts(settings, "") {
        subjects.push(Subject::walcast(&name, &binary, &settings.postgres)?);
    }
    for subject in &mut subjects {
        subject.fill(settings.sockets)?;
        eprintln!("{} has {} sockets", subject.name, settings.sockets);
        BURSTS.iter().try_for_each(|(burst, _)| subject.burst(*burst))?;
    }
    let pings = cost_of_pings(&mut subjects)?;
    let bursts: Vec<_> =
        BURSTS.into_iter().filter(|(burst, _)| settings.burst.is_none_or(|only| only == *burst)).collect();
    // By burst, by subject: microseconds a delivery, one a round.
    let mut samples = vec![vec![Vec::new(); subjects.len()]; bursts.len()];
    for round in 1..=settings.rounds {
        for ((burst, times), samples) in bursts.iter().copied().zip(&mut samples) {
            for ((subject, ping), samples) in subjects.iter_mut().zip(&pings).zip(samples) {
                let sample = sample(subject, burst, times, *ping)?;
                eprintln!("round {round}: {}, {burst} at once: {sample:.2} us a delivery", subject.name);
                samples.push(sample);
            }
        }
    }
    println!(
        "CPU a delivery, {} sockets in one room, frames of {FRAME} bytes, median of {} rounds (µs; times the floor):\n",
        settings.sockets, settings.rounds
    );
    println!("| events at once | {} |", names(&subjects));
    println!("|---|{}", "---|".repeat(subjects.len()));
    for ((burst, _), by_subject) in bursts.iter().zip(&samples) {
        let floor = by_subject.first().ok_or("no floor")?;
        let cells = by_subject.iter().map(|samples| {
            let ratios = samples.iter().zip(floor).map(|(sample, floor)| sample / floor).collect();
            format!(" {:.2} ({:.2}×) |", median(samples.clone()), median(ratios))
        });
        println!("| {burst} |{}", cells.collect::<String>());
    }
    println!();
    for subject in &mut subjects {
        let name = subject.name.clone();
        let report = subject.report()?;
        println!(
            "{name}: {} deliveries expected, {} got, {} lost, {} repeated",
            report.expected, report.got, report.lost, report.repeated
        );
        if report.got != report.expected || report.lost + report.repeated > 0 {
            return Err(format!("{name} did not deliver what it should").into());
        }
        eprintln!("{name}: the clients took {:.2} us a delivery", micros(report.cpu) / report.got as f64);
    }
    println!();
    Ok(())
}

/// What a server does for each ping, all else that it does at rest included, in microseconds.
fn cost_of_pings(subjects: &mut [Subject]) -> Result<Vec<f64>, Failure> {
    sleep(REST);
    let mut before = Vec::new();
    for subject in subjects.iter_mut() {
        before.push((subject.cpu()?, subject.report()?.pings));
    }
    sleep(IDLE);
    let mut costs = Vec::new();
    for (subject, (cpu, pings)) in subjects.iter_mut().zip(before) {
        let pings = subject.report()?.pings - pings;
        let cost = if pings == 0 { 0.0 } else { micros(subject.cpu()? - cpu) / pings as f64 };
        eprintln!("{}: {cost:.1} us for each of {pings} pings", subject.name);
        costs.push(cost);
    }
    Ok(costs)
}

/// Microseconds a delivery, pings not counted.
fn sample(subject: &mut Subject, burst: u64, times: u64, ping: f64) -> Result<f64, Failure> {
    let (cpu, pings) = (subject.cpu()?, subject.report()?.pings);
    for _ in 0..times {
        subject.burst(burst)?;
    }
    let pings = subject.report()?.pings - pings;
    let used = micros(subject.cpu()? - cpu) - ping * pings as f64;
    Ok(used / (times * burst * subject.sockets()) as f64)
}

/// Memory a socket: one server after the other.
fn measure_memory(settings: &Settings) -> Result<(), Failure> {
    let sockets = settings.memory_sockets;
    println!("Resident memory a socket, {sockets} sockets in one room (kB):\n");
    println!("| server | idle | after load | after a minute's rest |\n|---|---|---|---|");
    for (name, binary) in walcasts(settings, "_memory") {
        let mut subject = Subject::walcast(&name, &binary, &settings.postgres)?;
        sleep(REST);
        let empty = subject.memory()?;
        subject.fill(sockets)?;
        sleep(REST);
        let idle = subject.memory()?;
        for (burst, times) in LOAD {
            for _ in 0..times {
                subject.burst(burst)?;
            }
        }
        let loaded = subject.memory()?;
        sleep(Duration::from_secs(60));
        let rested = subject.memory()?;
        let each = |bytes: u64| bytes.saturating_sub(empty) as f64 / sockets as f64 / 1e3;
        let name = name.trim_end_matches("_memory");
        println!("| {name} | {:.1} | {:.1} | {:.1} |", each(idle), each(loaded), each(rested));
        let report = subject.report()?;
        if report.got != report.expected || report.lost + report.repeated > 0 {
            return Err(format!("{name} did not deliver what it should: {report:?}").into());
        }
    }
    println!();
    Ok(())
}

fn names(subjects: &[Subject]) -> String {
    subjects.iter().map(|subject| subject.name.as_str()).collect::<Vec<_>>().join(" | ")
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(f64::NAN)
}
