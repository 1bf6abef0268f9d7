//! Everybody comes back at once, as after a deploy.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use super::{Contender, Extent, fresh_name};
use crate::{
    Failure,
    database::Database,
    load::{Load, Spec},
    report::{Section, Table},
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
const MOST_SECONDS: f64 = 30.0;

pub fn after_a_deploy(programs: &Programs, extent: Extent) -> Result<Section, Failure> {
    let mut section = Section::new(
        "W7: all come back",
        "15,000 sockets connect at once, over 150 rooms, each with `since`, and are sent the 10 events that they missed; beside them \
         100 others get 100 commits a second in rooms of their own.",
    );
    all_come_back(programs, extent, SOCKETS, &mut section)?;
    Ok(section)
}

/// Fewer of them.
pub fn alone(programs: &Programs, extent: Extent) -> Result<(), Failure> {
    all_come_back(programs, extent, SOCKETS / 5, &mut Section::new("3,000 come back", ""))
}

fn all_come_back(programs: &Programs, extent: Extent, sockets: u64, section: &mut Section) -> Result<(), Failure> {
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
    let begin = Instant::now();
    let all = write(&mut database, &mut || Ok(begin.elapsed().as_secs() >= extent.seconds))?;
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
    let mut table = Table::new(&["", "others: p50, ms", "p99, ms", "longest, ms"]);
    for (when, report) in [("before", &before), ("while all come", &during)] {
        let figures = [report.p50, report.p99, report.longest].map(|micros| format!("{:.2}", f64::from(micros) / 1e3));
        table.row(&[&[when.to_owned()][..], &figures].concat());
    }
    section.table(&table);
    let all_in = format!("all were in their rooms after {took:.1} s (at most {MOST_SECONDS} s)");
    section.verdict(&all_in, took <= MOST_SECONDS);
    let resumed = format!("{} of {sockets} resumed; no handshake failed", report.resumed);
    section.verdict(&resumed, report.resumed == sockets);
    section.target("p99 of the others, of what it was before", f64::from(during.p99) / f64::from(before.p99), 3.0);
    Ok(())
}
