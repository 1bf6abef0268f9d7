//! Two versions of walcast that hear the same changes side by side, to see small differences.

use std::{thread::sleep, time::Duration};

use super::{Contender, Extent, fresh_name, micros, paced};
use crate::{
    Failure,
    database::Database,
    load::{Load, Spec},
    report::{Section, Table, median},
    server::{Plugin, Programs, SECRET, Server},
};

const ROOMS: u64 = 100;
const APART: Duration = Duration::from_millis(5);
const PADDING: u64 = 140;
const REST: Duration = Duration::from_secs(1);

pub fn side_by_side(programs: &Programs, extent: Extent) -> Result<Section, Failure> {
    if programs.before.is_none() {
        return Err("BEFORE names the binary that walcast is to be measured beside".into());
    }
    let mut section = Section::new(
        "PAIR: beside another version",
        "Both hear the same changes, 200 one-row commits a second, 100 sockets each in 100 rooms. In each round each is started first \
         once: who is, pays more. The ratio is the geometric mean of both.",
    );
    let mut table = Table::new(&["", "CPU a change, µs", "before", "ratio", "p50, ms", "before", "ratio"]);
    for plugin in [Plugin::Pgoutput, Plugin::Wal2json] {
        let (now, before) = (Contender::Walcast(plugin), Contender::Before(plugin));
        let (mut cpu, mut p50) = (Compared::default(), Compared::default());
        for _ in 0..extent.rounds {
            let [first, second] = round(programs, [now, before], extent.seconds)?;
            let [fourth, third] = round(programs, [before, now], extent.seconds)?;
            let of = |of: fn(&Figures) -> f64| [&first, &second, &third, &fourth].map(of);
            let ratios = (cpu.add(of(|figures| figures.cpu)), p50.add(of(|figures| figures.p50)));
            eprintln!("  {plugin}: {:.3} of the CPU, {:.3} of the p50", ratios.0, ratios.1);
        }
        table.row(&[&[plugin.to_string()][..], &cpu.cells(1), &p50.cells(2)].concat());
    }
    section.table(&table);
    Ok(section)
}

/// What one of both took.
struct Figures {
    /// Of a change, in microseconds.
    cpu: f64,
    /// In milliseconds.
    p50: f64,
}

/// One figure of both, of all rounds.
#[derive(Default)]
struct Compared {
    now: Vec<f64>,
    before: Vec<f64>,
    ratios: Vec<f64>,
}

impl Compared {
    /// Of this version and the one before, then of both where that one was started first.
    fn add(&mut self, [a, b, c, d]: [f64; 4]) -> f64 {
        let ratio = (a / b * c / d).sqrt();
        self.now.push(f64::midpoint(a, c));
        self.before.push(f64::midpoint(b, d));
        self.ratios.push(ratio);
        ratio
    }

    fn cells(self, digits: usize) -> [String; 3] {
        [(self.now, digits), (self.before, digits), (self.ratios, 3)]
            .map(|(figures, digits)| format!("{:.digits$}", median(figures)))
    }
}

/// In that order.
fn round(programs: &Programs, contenders: [Contender; 2], seconds: u64) -> Result<[Figures; 2], Failure> {
    let name = fresh_name();
    let mut database = Database::create(&programs.postgres, &programs.walcast, &name, ROOMS)?;
    let mut servers: Vec<Server> = Vec::new();
    let mut loads = Vec::new();
    for (nth, contender) in contenders.into_iter().enumerate() {
        let server = contender.start(programs, &mut database, &format!("{name}_{nth}"), false)?;
        let mut spec = Spec::new(ROOMS, ROOMS);
        spec.address.clone_from(&server.address);
        spec.secret = Some(SECRET.into());
        loads.push(Load::filled(&spec)?);
        servers.push(server);
    }
    let mut sent = 0;
    let mut send = |transactions: u64| {
        paced(transactions, APART, || {
            database.burst(sent % ROOMS, sent / ROOMS + 1, 1, PADDING)?;
            sent += 1;
            Ok(())
        })?;
        Ok::<_, Failure>(sent)
    };
    // What is done for the first time costs more.
    let warm = send(2 * ROOMS)?;
    loads.iter_mut().try_for_each(|load| load.until(warm))?;
    sleep(REST);
    loads.iter_mut().try_for_each(Load::fresh)?;
    let begin = servers.iter().map(Server::cpu).collect::<Result<Vec<_>, _>>()?;
    let all = send(seconds * 200)?;
    loads.iter_mut().try_for_each(|load| load.until(all))?;
    let end = servers.iter().map(Server::cpu).collect::<Result<Vec<_>, _>>()?;
    let mut figures = |nth: usize| {
        let cpu = micros(end[nth].saturating_sub(begin[nth])) / (all - warm) as f64;
        Ok::<_, Failure>(Figures { cpu, p50: f64::from(loads[nth].flawless(all)?.p50) / 1e3 })
    };
    Ok([figures(0)?, figures(1)?])
}
