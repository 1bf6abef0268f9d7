//! Everybody comes back at once, as after a deploy.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use super::{Contender, Extent, fresh_name};
use crate::{
    Failure,
    database::Database,
    load::{Load, Report, Spec},
    report::{Section, Table, median, ratio},
    server::{Plugin, Programs, SECRET},
};

const SOCKETS: u64 = 15_000;
/// How many of them share a room.
const IN_ROOM: u64 = 100;
/// Events of each room that they missed.
const MISSED: u64 = 10;
/// Rooms beside, each with one socket and one commit a second.
const OTHERS: u64 = 100;
/// Commits a second in those.
const PACE: u64 = 100;
const PADDING: u64 = 140;
/// Until each of those rooms has had two.
const WARM: Duration = Duration::from_secs(2);
/// As long as it takes until all are in, about.
const BEFORE: Duration = Duration::from_secs(15);
const MOST_SECONDS: f64 = 30.0;

pub fn after_a_deploy(programs: &Programs, extent: Extent) -> Result<Section, Failure> {
    let mut section = Section::new(
        "W7: all come back",
        "15,000 sockets connect at once, over 150 rooms, each with `since`, and are sent the 10 events that they missed; beside them \
         100 others get 100 commits a second in rooms of their own.",
    );
    let mut rounds = Vec::new();
    for _ in 0..extent.rounds {
        let round = all_come_back(programs, BEFORE, SOCKETS)?;
        eprintln!(
            "  all in after {:.1} s; others' p99 {} us, before {}",
            round.took, round.during.p99, round.before.p99
        );
        rounds.push(round);
    }
    let mut table = Table::new(&["", "others: p50, ms", "p99, ms", "longest, ms"]);
    let columns = |when: fn(&Round) -> &Report| {
        let parts: [fn(&Report) -> u32; 3] = [|report| report.p50, |report| report.p99, |report| report.longest];
        parts.map(|part| rounds.iter().map(|round| f64::from(part(when(round))) / 1e3).collect::<Vec<f64>>())
    };
    let (before, during) = (columns(|round| &round.before), columns(|round| &round.during));
    let p99 = ratio(&during[1], &before[1]);
    for (when, columns) in [("before", before), ("while all come", during)] {
        let figures = columns.map(|column| format!("{:.2}", median(column)));
        table.row(&[&[when.to_owned()][..], &figures].concat());
    }
    section.table(&table);
    let took = rounds.iter().map(|round| round.took).fold(0.0, f64::max);
    let all_in = format!("all were in their rooms after {took:.1} s (at most {MOST_SECONDS} s)");
    section.verdict(&all_in, took <= MOST_SECONDS);
    let resumed = rounds.iter().map(|round| round.resumed).min().unwrap_or_default();
    section.verdict(&format!("{resumed} of {SOCKETS} resumed; no handshake failed"), resumed == SOCKETS);
    section.target("p99 of the others, of what it was before", p99, 3.0);
    Ok(section)
}

/// Fewer of them.
pub fn alone(programs: &Programs, extent: Extent) -> Result<(), Failure> {
    all_come_back(programs, Duration::from_secs(extent.seconds), SOCKETS / 5).map(drop)
}

struct Round {
    /// Of the others.
    before: Report,
    during: Report,
    /// Until all were in, in seconds.
    took: f64,
    resumed: u64,
}

fn all_come_back(programs: &Programs, before: Duration, sockets: u64) -> Result<Round, Failure> {
    let rooms = sockets / IN_ROOM;
    let contender = Contender::Walcast(Plugin::Pgoutput);
    let name = fresh_name();
    let mut database = Database::create(&programs.postgres, &programs.walcast, &name, rooms + OTHERS)?;
    let server = contender.start(programs, &mut database, &name, false)?;
    let mut spec = Spec::new(OTHERS, OTHERS);
    spec.address.clone_from(&server.address);
    spec.secret = Some(SECRET.into());
    let mut others = Load::filled(&spec)?;
    let since = others.report()?.offset;
    // Rooms from OTHERS on are those of who comes back.
    for room in OTHERS..OTHERS + rooms {
        database.burst(room, 1, MISSED, PADDING)?;
    }
    database.run("SELECT;")?;
    let mut sent = 0;
    let mut write =
        |database: &mut Database, until: &mut dyn FnMut() -> Result<bool, Failure>| -> Result<u64, Failure> {
            let begin = Instant::now();
            let mut nth = 0;
            while !until()? {
                sleep((begin + Duration::from_secs(1) / PACE as u32 * nth).saturating_duration_since(Instant::now()));
                nth += 1;
                database.burst(sent % OTHERS, sent / OTHERS + 1, 1, PADDING)?;
                sent += 1;
            }
            Ok(sent)
        };
    let mut write_for = |database: &mut Database, time: Duration| {
        let begin = Instant::now();
        write(database, &mut || Ok(begin.elapsed() >= time))
    };
    // What is done for the first time costs more.
    let warm = write_for(&mut database, WARM)?;
    others.until(warm)?;
    others.fresh()?;
    let all = write_for(&mut database, before)?;
    others.until(all)?;
    let before = others.flawless(all)?;
    others.fresh()?;
    let back = Spec {
        sockets,
        rooms,
        since: Some(since),
        first_user: OTHERS,
        first_room: OTHERS,
        at_once: sockets as usize,
        ..spec.clone()
    };
    let begin = Instant::now();
    let mut load = Load::start(&back)?;
    let all = write(&mut database, &mut || load.is_ready())?;
    let took = begin.elapsed().as_secs_f64();
    load.until(sockets * MISSED)?;
    let report = load.flawless(sockets * MISSED)?;
    others.until(all)?;
    let during = others.flawless(all)?;
    Ok(Round { before, during, took, resumed: report.resumed })
}
