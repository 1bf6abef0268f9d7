//! Large payloads to clients that read compressed frames, as browsers do.

use std::{thread::sleep, time::Duration};

use super::{Contender, Extent, fresh_name, micros, paced};
use crate::{
    Failure,
    database::Database,
    load::{Load, Spec},
    report::{Section, Table, median, ratio},
    server::{Plugin, Programs, SECRET},
};

const SOCKETS: u64 = 1_000;
/// Commits a second.
const PACE: u64 = 5;
const REST: Duration = Duration::from_secs(1);
/// A document of some 10 kB, another one for each number: blocks of a page, of words and figures.
const DOCUMENT: &str = "
CREATE FUNCTION document(number bigint) RETURNS jsonb LANGUAGE sql VOLATILE AS $$
    SELECT jsonb_agg(jsonb_build_object(
               'id', md5(number::text || block), 'type', (ARRAY['heading', 'text', 'image', 'button'])[1 + block % 4],
               'width', (random() * 1000)::int, 'hidden', random() < 0.1,
               'text', (SELECT string_agg((ARRAY['the', 'page', 'of', 'a', 'customer', 'shows', 'what', 'was', 'ordered',
                                                 'yesterday', 'and', 'today', 'price', 'colour', 'delivery', 'in'])
                                          [1 + (random() * 15)::int], ' ')
                          FROM generate_series(1, 20 + block % 20))))
      FROM generate_series(1, 38) block
$$;
CREATE FUNCTION large(number bigint) RETURNS void LANGUAGE sql AS $$
    UPDATE components SET name = mark(number, 0), data = document(number) WHERE id = row_id(0, 0)
$$;";

struct Figures {
    delivery: f64,
    bytes: f64,
    p50: f64,
}

pub fn large_payloads(programs: &Programs, extent: Extent) -> Result<Section, Failure> {
    let mut section = Section::new(
        "W8: large payloads",
        "Documents of some 10 kB to 1,000 sockets in one room, 5 commits a second; with permessage-deflate as browsers offer it, \
         and without. Node has `perMessageDeflate: {threshold: 1024}`.",
    );
    let node = Contender::Node(Plugin::Pgoutput);
    let walcast = Contender::Walcast(Plugin::Pgoutput);
    let mut results: Vec<(String, Contender, bool, Vec<Figures>)> = Vec::new();
    for (contender, deflate) in [(walcast, false), (walcast, true), (node, false), (node, true)] {
        let how = if deflate { "compressed" } else { "plain" };
        results.push((format!("{}, {how}", contender.name()), contender, deflate, Vec::new()));
    }
    for _ in 0..extent.rounds {
        for (name, contender, deflate, figures) in &mut results {
            let round = round(programs, *contender, *deflate, extent.seconds)?;
            eprintln!(
                "  {name}: {:.1} us a delivery, {:.0} bytes, p50 {:.2} ms",
                round.delivery, round.bytes, round.p50
            );
            figures.push(round);
        }
    }
    let mut table = Table::new(&["", "bytes a delivery", "CPU a delivery, µs", "p50, ms"]);
    let column = |figures: &[Figures], of: fn(&Figures) -> f64| -> Vec<f64> { figures.iter().map(of).collect() };
    for (name, _, _, figures) in &results {
        table.row(&[
            name.clone(),
            format!("{:.0}", median(column(figures, |figures| figures.bytes))),
            format!("{:.1}", median(column(figures, |figures| figures.delivery))),
            format!("{:.2}", median(column(figures, |figures| figures.p50))),
        ]);
    }
    section.table(&table);
    let [plain, deflated, _, node] = &results[..] else { return Err("not four results".into()) };
    let bytes = ratio(&column(&deflated.3, |figures| figures.bytes), &column(&plain.3, |figures| figures.bytes));
    section.target("bytes, of those that are not compressed", bytes, 0.25);
    let cost = ratio(&column(&deflated.3, |figures| figures.delivery), &column(&node.3, |figures| figures.delivery));
    section.target("CPU a delivery, of Node's with perMessageDeflate", cost, 0.1);
    Ok(section)
}

/// Of walcast alone, compressed.
pub fn alone(programs: &Programs, seconds: u64) -> Result<(), Failure> {
    round(programs, Contender::Walcast(Plugin::Pgoutput), true, seconds).map(drop)
}

fn round(programs: &Programs, contender: Contender, deflate: bool, seconds: u64) -> Result<Figures, Failure> {
    let name = fresh_name();
    let mut database = Database::create(&programs.postgres, &programs.walcast, &name, 1)?;
    database.run(DOCUMENT)?;
    let server = contender.start(programs, &mut database, &name, deflate)?;
    let mut spec = Spec::new(SOCKETS, 1);
    spec.address.clone_from(&server.address);
    spec.secret = Some(SECRET.into());
    spec.deflate = deflate;
    let mut load = Load::filled(&spec)?;
    let mut number = 0;
    let mut write = |database: &mut Database, commits: u64| -> Result<u64, Failure> {
        paced(commits, Duration::from_secs(1) / PACE as u32, || {
            number += 1;
            database.start(&format!("SELECT large({number});"))
        })?;
        Ok(number * SOCKETS)
    };
    let warm = write(&mut database, 5)?;
    load.until(warm)?;
    sleep(REST);
    load.fresh()?;
    let (cpu, before) = (server.cpu()?, load.flawless(warm)?);
    let all = write(&mut database, PACE * seconds)?;
    load.until(all)?;
    let cpu = micros(server.cpu()? - cpu);
    let after = load.flawless(all)?;
    let deliveries = (all - warm) as f64;
    Ok(Figures {
        delivery: cpu / deliveries,
        bytes: (after.bytes - before.bytes) as f64 / deliveries,
        p50: f64::from(after.p50) / 1e3,
    })
}
