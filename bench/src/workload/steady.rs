//! Rows that are written at an even pace, and how long it takes until everybody has them.

use std::{collections::HashMap, thread::sleep, time::Duration};

use super::{Contender, Extent, fresh_name, micros, paced};
use crate::{
    Failure,
    database::Database,
    load::{Load, Spec, parts},
    mark::Delay,
    reader::Passing,
    report::{Section, Table, median, ratio},
    server::{Plugin, Programs, SECRET, Server},
};

/// What follows the mark in a row's name: so an event's frame has some 500 bytes.
const PADDING: u64 = 140;
/// Until what was started has come to rest.
const REST: Duration = Duration::from_secs(1);

/// What is written, and who listens.
#[derive(Clone, Copy)]
struct Steady {
    sockets: u64,
    rooms: u64,
    /// Rows of one room in a transaction.
    count: u64,
    /// Transactions a second.
    pace: u64,
    /// Whether it is looked up when each row was committed.
    from_commit: bool,
}

const MANY_ROOMS: Steady = Steady { sockets: 200, rooms: 200, count: 1, pace: 200, from_commit: true };
const ONE_ROOM: Steady = Steady { sockets: 5_000, rooms: 1, count: 1, pace: 5, from_commit: false };
const TRANSACTIONS: Steady = Steady { sockets: 2_000, rooms: 20, count: 20, pace: 20, from_commit: false };

/// What one server took in one round.
struct Figures {
    /// Of a change of a row, and of a delivery, in microseconds.
    change: f64,
    delivery: f64,
    /// From the writing of the row to the socket, in milliseconds.
    p50: f64,
    p99: f64,
    longest: f64,
    /// The first two from the commit.
    committed: Option<[f64; 2]>,
    /// The size of a frame, in bytes.
    frame: u64,
    deliveries: u64,
    /// What the clients took for a delivery, in microseconds.
    client: f64,
}

pub fn many_rooms(programs: &Programs, extent: Extent) -> Result<Section, Failure> {
    let what = "200 sockets in 200 rooms, 200 one-row commits a second. `pg_recvlogical` only passes on what Postgres sends it to a \
                program that reads its output: nobody hears of a row sooner.";
    let mut section = Section::new("W1: many rooms", what);
    let mut contenders = Contender::of(programs, &[Plugin::Pgoutput, Plugin::Wal2json]);
    contenders.extend([Plugin::Pgoutput, Plugin::Wal2json].map(Contender::Reader));
    let results = rounds(&mut section, programs, extent, MANY_ROOMS, &contenders)?;
    for plugin in [Plugin::Pgoutput, Plugin::Wal2json] {
        let of = |contender| results.of(contender);
        let [walcast, node, reader] =
            [Contender::Walcast(plugin), Contender::Node(plugin), Contender::Reader(plugin)].map(of);
        let part = |of: fn(&Columns) -> &Vec<f64>| ratio(of(&reader), of(&node));
        let (p50, change) = (part(|columns| &columns.committed[0]), part(|columns| &columns.change));
        section.say(&format!(
            "{plugin}: pg_recvlogical takes {p50:.2}× of Node's p50 from the commit, and {change:.2}× of its CPU a change"
        ));
        let [p50, p99] = [0, 1].map(|which| ratio(&walcast.committed[which], &node.committed[which]));
        section.target(&format!("{plugin}: p50 from the commit, of Node's"), p50, 0.6);
        section.target(&format!("{plugin}: p99 from the commit, of Node's"), p99, 0.6);
        let [p50, p99] = [ratio(&walcast.p50, &node.p50), ratio(&walcast.p99, &node.p99)];
        section.say(&format!("{plugin}: from the writing of the row, p50 {p50:.2}× and p99 {p99:.2}× of Node's"));
        section.target(&format!("{plugin}: CPU a change, of Node's"), ratio(&walcast.change, &node.change), 0.25);
    }
    Ok(section)
}

pub fn one_room(programs: &Programs, extent: Extent) -> Result<Section, Failure> {
    let what = "5,000 sockets in one room, 5 one-row commits a second. The floor only sends frames of the same size.";
    let mut section = Section::new("W2: one room", what);
    let mut contenders = Contender::of(programs, &[Plugin::Pgoutput]);
    contenders.push(Contender::Floor);
    let results = rounds(&mut section, programs, extent, ONE_ROOM, &contenders)?;
    let [walcast, node, floor] =
        [Contender::Walcast(Plugin::Pgoutput), Contender::Node(Plugin::Pgoutput), Contender::Floor]
            .map(|of| results.of(of));
    section.target("CPU a delivery, of Node's", ratio(&walcast.delivery, &node.delivery), 0.55);
    section.target("CPU a delivery, of the floor's", ratio(&walcast.delivery, &floor.delivery), 1.2);
    section.target("p99, of Node's", ratio(&walcast.p99, &node.p99), 0.6);
    Ok(section)
}

pub fn transactions(programs: &Programs, extent: Extent) -> Result<Section, Failure> {
    let what = "2,000 sockets over 20 rooms, 20 transactions a second of 20 rows of one room each.";
    let mut section = Section::new("W3: transactions", what);
    let contenders = Contender::of(programs, &[Plugin::Pgoutput]);
    let results = rounds(&mut section, programs, extent, TRANSACTIONS, &contenders)?;
    let [walcast, node] =
        [Contender::Walcast(Plugin::Pgoutput), Contender::Node(Plugin::Pgoutput)].map(|of| results.of(of));
    section.target("CPU a delivery, of Node's", ratio(&walcast.delivery, &node.delivery), 0.15);
    section.target("p50, of Node's", ratio(&walcast.p50, &node.p50), 0.3);
    Ok(section)
}

/// All of these, of walcast alone.
pub fn alone(programs: &Programs, plugin: Plugin, seconds: u64) -> Result<(), Failure> {
    for steady in [MANY_ROOMS, ONE_ROOM, TRANSACTIONS] {
        steady.round(programs, Contender::Walcast(plugin), seconds, 0)?;
    }
    Ok(())
}

/// The figures by contender, of all rounds.
struct Results(Vec<(Contender, Vec<Figures>)>);

struct Columns {
    change: Vec<f64>,
    delivery: Vec<f64>,
    p50: Vec<f64>,
    p99: Vec<f64>,
    committed: [Vec<f64>; 2],
}

impl Results {
    fn of(&self, contender: Contender) -> Columns {
        let figures = || self.0.iter().filter(|(of, _)| *of == contender).flat_map(|(_, figures)| figures);
        let column = |of: fn(&Figures) -> f64| figures().map(of).collect();
        let committed = |which: usize| figures().filter_map(|figures| Some(figures.committed?[which])).collect();
        Columns {
            change: column(|figures| figures.change),
            delivery: column(|figures| figures.delivery),
            p50: column(|figures| figures.p50),
            p99: column(|figures| figures.p99),
            committed: [0, 1].map(committed),
        }
    }
}

/// All contenders in turns, each on a server, a database and clients of its own.
fn rounds(
    section: &mut Section,
    programs: &Programs,
    extent: Extent,
    steady: Steady,
    contenders: &[Contender],
) -> Result<Results, Failure> {
    let mut results = Results(contenders.iter().map(|contender| (*contender, Vec::new())).collect());
    let mut frame = 0;
    for _ in 0..extent.rounds {
        for (contender, figures) in &mut results.0 {
            let round = steady.round(programs, *contender, extent.seconds, frame)?;
            eprintln!(
                "  {}: {:.1} us a change, {:.2} a delivery, p50 {:.2} ms, p99 {:.2} ms (clients {:.2} us a delivery)",
                contender.name(),
                round.change,
                round.delivery,
                round.p50,
                round.p99,
                round.client
            );
            frame = round.frame;
            figures.push(round);
        }
    }
    let mut head = vec![
        "",
        "CPU a change, µs",
        "CPU a delivery, µs",
        "p50, ms",
        "p99, ms",
        "longest, ms",
        "deliveries",
        "lost",
        "repeated",
    ];
    if steady.from_commit {
        head.extend(["from the commit: p50, ms", "p99, ms"]);
    }
    let mut table = Table::new(&head);
    for (contender, figures) in &results.0 {
        let of = |of: fn(&Figures) -> f64| median(figures.iter().map(of).collect());
        let mut row = vec![
            contender.name(),
            format!("{:.1}", of(|figures| figures.change)),
            format!("{:.2}", of(|figures| figures.delivery)),
            format!("{:.2}", of(|figures| figures.p50)),
            format!("{:.2}", of(|figures| figures.p99)),
            format!("{:.1}", of(|figures| figures.longest)),
            figures.iter().map(|figures| figures.deliveries).sum::<u64>().to_string(),
            "0".into(),
            "0".into(),
        ];
        if steady.from_commit {
            let columns = results.of(*contender).committed;
            row.extend(columns.map(|column| format!("{:.2}", median(column))));
        }
        table.row(&row);
    }
    section.table(&table);
    Ok(results)
}

impl Steady {
    /// `frame`: the size of the floor's frames.
    fn round(self, programs: &Programs, contender: Contender, seconds: u64, frame: u64) -> Result<Figures, Failure> {
        let name = fresh_name();
        let mut database = Database::create(&programs.postgres, &programs.walcast, &name, self.rooms)?;
        if let Contender::Reader(plugin) = contender {
            return self.passed_on(&mut database, &name, plugin, seconds);
        }
        let mut spec = Spec::new(self.sockets, self.rooms);
        let mut server = if contender == Contender::Floor {
            Server::floor(self.sockets)?
        } else {
            spec.secret = Some(SECRET.into());
            contender.start(programs, &mut database, &name, false)?
        };
        spec.address.clone_from(&server.address);
        let mut load = Load::filled(&spec)?;
        let mut sent = 0;
        let mut send = |server: &mut Server, transactions: u64, apart: Duration| -> Result<u64, Failure> {
            paced(transactions, apart, || {
                let (room, first) = (sent % self.rooms, sent / self.rooms * self.count + 1);
                match contender {
                    Contender::Floor => server.process.tell(&format!("{first} {} {frame}", self.count))?,
                    _ => database.burst(room, first, self.count, PADDING)?,
                }
                sent += 1;
                Ok(())
            })?;
            Ok(sent * self.count * (self.sockets / self.rooms))
        };
        // What is done for the first time costs more: that is not what is asked here.
        let warm = send(&mut server, self.rooms.max(5), Duration::from_millis(2))?;
        load.until(warm)?;
        sleep(REST);
        load.fresh()?;
        let (cpu, before) = (server.cpu()?, load.flawless(warm)?);
        let transactions = self.pace * seconds;
        let all = send(&mut server, transactions, Duration::from_secs(1) / self.pace as u32)?;
        load.until(all)?;
        let cpu = micros(server.cpu()? - cpu);
        let after = load.flawless(all)?;
        let committed = match self.from_commit {
            true => Some(from_commits(&load.delays()?, &database.commits()?)?),
            false => None,
        };
        let deliveries = all - warm;
        Ok(Figures {
            change: cpu / (transactions * self.count) as f64,
            delivery: cpu / deliveries as f64,
            p50: f64::from(after.p50) / 1e3,
            p99: f64::from(after.p99) / 1e3,
            longest: f64::from(after.longest) / 1e3,
            committed,
            frame: (after.bytes - before.bytes) / deliveries,
            deliveries,
            client: micros(after.cpu - before.cpu) / deliveries as f64,
        })
    }

    /// By who looks at nothing and serves nobody; the listener is this process.
    fn passed_on(self, database: &mut Database, slot: &str, plugin: Plugin, seconds: u64) -> Result<Figures, Failure> {
        database.make_slot(slot, plugin)?;
        let reader = Passing::start(database, slot, plugin)?;
        let mut sent = 0;
        let mut write = |changes: u64, apart: Duration| {
            paced(changes, apart, || {
                database.burst(sent % self.rooms, sent / self.rooms + 1, 1, PADDING)?;
                sent += 1;
                Ok(())
            })?;
            reader.take(changes)
        };
        write(self.rooms, Duration::from_millis(2))?;
        sleep(REST);
        let (cpu, changes) = (reader.cpu()?, self.pace * seconds);
        let delays = write(changes, Duration::from_secs(1) / self.pace as u32)?;
        let change = micros(reader.cpu()? - cpu) / changes as f64;
        let committed = Some(from_commits(&delays, &database.commits()?)?);
        let [p50, p99, longest] =
            parts(delays.into_iter().map(|(_, delay)| delay)).map(|micros| f64::from(micros) / 1e3);
        Ok(Figures {
            change,
            delivery: change,
            p50,
            p99,
            longest,
            committed,
            frame: 0,
            deliveries: changes,
            client: 0.0,
        })
    }
}

/// The median, and what one in a hundred exceeds, in milliseconds, of delays that are counted from the commit of each row.
fn from_commits(delays: &[Delay], commits: &HashMap<u64, u64>) -> Result<[f64; 2], Failure> {
    let since = |(stamp, delay): &Delay| {
        let commit = commits.get(stamp).ok_or("a row came that nobody has written")?;
        Ok(u32::try_from((stamp + u64::from(*delay)).saturating_sub(*commit)).unwrap_or(u32::MAX))
    };
    let delays = delays.iter().map(since).collect::<Result<Vec<u32>, Failure>>()?;
    let [p50, p99, _] = parts(delays).map(|micros| f64::from(micros) / 1e3);
    Ok([p50, p99])
}
