//! What a socket takes that does nothing.

use std::{thread::sleep, time::Duration};

use super::{Contender, Extent, fresh_name};
use crate::{
    Failure,
    database::Database,
    load::{Load, Spec},
    report::{Section, Table},
    server::{Plugin, Programs, SECRET},
};

const SOCKETS: u64 = 10_000;
/// How many rows at once, and how often.
const LOAD: [(u64, u64); 3] = [(1, 50), (10, 20), (50, 10)];
/// Until a server has come to rest.
const REST: Duration = Duration::from_secs(3);
const PADDING: u64 = 140;
/// What a socket may take, in kB.
const MOST: f64 = 16.0;

pub fn idle(programs: &Programs, _: Extent) -> Result<Section, Failure> {
    let mut section = Section::new(
        "W5: idle sockets",
        "10,000 sockets of as many users; what the process holds of its own (`RssAnon`) beyond what it held before they came, in kB \
         a socket. The load is 450 events to each, one, 10 and 50 at once (so it is of those in one room).",
    );
    let mut table = Table::new(&["", "rooms", "idle", "after load", "3 s later"]);
    let mut reached = Vec::new();
    for contender in Contender::of(programs, &[Plugin::Pgoutput]) {
        for rooms in [1, SOCKETS] {
            let name = fresh_name();
            let mut database = Database::create(&programs.postgres, &programs.walcast, &name, 1)?;
            let server = contender.start(programs, &mut database, &name, false)?;
            sleep(REST);
            let empty = server.process.memory()?;
            let each = |bytes: u64| bytes.saturating_sub(empty) as f64 / SOCKETS as f64 / 1e3;
            let mut spec = Spec::new(SOCKETS, rooms);
            spec.address.clone_from(&server.address);
            spec.secret = Some(SECRET.into());
            let mut load = Load::filled(&spec)?;
            sleep(REST);
            let mut figures = vec![each(server.process.memory()?)];
            if rooms == 1 {
                let mut sent = 0;
                for (count, times) in LOAD {
                    for _ in 0..times {
                        database.burst(0, sent + 1, count, PADDING)?;
                        sent += count;
                        load.until(sent * SOCKETS)?;
                    }
                }
                load.flawless(sent * SOCKETS)?;
                figures.push(each(server.process.memory()?));
                sleep(REST);
                figures.push(each(server.process.memory()?));
            }
            let cell = |nth: usize| figures.get(nth).map_or_else(String::new, |figure| format!("{figure:.1}"));
            table.row(&[contender.name(), rooms.to_string(), cell(0), cell(1), cell(2)]);
            eprintln!("  {}, {rooms} rooms: {figures:.1?} kB", contender.name());
            if let (Contender::Walcast(_), [idle, _, rested]) = (contender, &figures[..]) {
                reached.extend([("idle", *idle), ("after load", *rested)]);
            }
        }
    }
    section.table(&table);
    for (when, kilobytes) in reached {
        section.verdict(&format!("{when}: {kilobytes:.1} kB a socket (at most {MOST})"), kilobytes <= MOST);
    }
    Ok(section)
}
