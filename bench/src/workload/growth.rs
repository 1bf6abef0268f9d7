//! Whether a change costs more where there is more of everything.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use super::{Extent, fresh_name, micros, paced};
use crate::{
    Failure,
    database::Database,
    load::{Load, Spec},
    process::PATIENCE,
    report::{Section, Table, median, ratio},
    server::{Plugin, Programs, SECRET, Server},
};

/// Changes a second, one a transaction.
const PACE: u64 = 400;
/// A server is at rest that takes no more of a processor in a second.
const REST: Duration = Duration::from_millis(15);
const PADDING: u64 = 140;
/// Longer than any run: what pings cost depends on when clients came.
const UNASKED: [&str; 2] = ["--ping-interval", "10m"];

/// A server with clients, and how a change is made there. The number of a change counts from zero.
struct Stage {
    // Ended in this order.
    load: Load,
    server: Server,
    database: Database,
    /// What is written for a change, and how many deliveries it has.
    change: Box<dyn Fn(u64) -> String>,
    deliveries: u64,
    /// Changes up to now.
    made: u64,
}

type Build = fn(&Programs, u64) -> Result<Stage, Failure>;

/// What grows, from which size to which.
const GROWTHS: [(&str, u64, u64, Build); 4] = [
    ("rooms", 1_000, 100_000, rooms),
    ("published tables", 1, 1_000, tables),
    ("MB of history", 1, 256, history),
    ("users under row-level security", 100, 10_000, users),
];

pub fn all(programs: &Programs, extent: Extent) -> Result<Section, Failure> {
    let mut section = Section::new(
        "W6: growth",
        "CPU a change, in µs, 400 one-row commits a second, less what the server takes while nothing is written. Rooms: 1,000 sockets \
         in one or in 100 rooms each, changes over all rooms in turn. Tables: changes over all of them in turn, 100 sockets that hear each. \
         History: full, so that each event pushes others out. Users: ten in each room, and a policy by which each sees the \
         rows of that room's tenant.",
    );
    let mut table = Table::new(&["what grows", "from", "CPU a change", "to", "CPU a change"]);
    let mut ratios = Vec::new();
    for (what, small, large, build) in GROWTHS {
        let mut costs = [Vec::new(), Vec::new()];
        for _ in 0..extent.rounds.min(2) {
            for (size, costs) in [small, large].into_iter().zip(&mut costs) {
                let cost = build(programs, size)?.cost(extent.seconds)?;
                eprintln!("  {size} {what}: {cost:.1} us a change");
                costs.push(cost);
            }
        }
        let [few, many] = costs;
        ratios.push((what, ratio(&many, &few)));
        let figure = |costs| format!("{:.1}", median(costs));
        table.row(&[what.into(), small.to_string(), figure(few), large.to_string(), figure(many)]);
    }
    section.table(&table);
    for (what, ratio) in ratios {
        section.target(what, ratio, 1.3);
    }
    Ok(section)
}

/// The smaller of each, once.
pub fn alone(programs: &Programs, seconds: u64) -> Result<(), Failure> {
    GROWTHS.iter().try_for_each(|(_, small, _, build)| build(programs, *small)?.cost(seconds).map(drop))
}

impl Stage {
    /// Microseconds a change.
    fn cost(&mut self, seconds: u64) -> Result<f64, Failure> {
        self.come_to_rest()?;
        let idle = self.server.cpu()?;
        sleep(Duration::from_secs(seconds));
        let idle = self.server.cpu()? - idle;
        let cpu = self.server.cpu()?;
        let begin = Instant::now();
        let changes = PACE * seconds;
        self.write(changes, Duration::from_secs(1) / PACE as u32)?;
        let took = begin.elapsed().as_secs_f64();
        let cpu = micros(self.server.cpu()? - cpu) - micros(idle) * took / seconds as f64;
        Ok(cpu / changes as f64)
    }

    /// Until the server does next to nothing: that many have come is told to the others for seconds after.
    fn come_to_rest(&self) -> Result<(), Failure> {
        for _ in 0..PATIENCE.as_secs() {
            let before = self.server.cpu()?;
            sleep(Duration::from_secs(1));
            if self.server.cpu()? - before < REST {
                return Ok(());
            }
        }
        Err("the server does not come to rest".into())
    }

    /// Returns when all have what they are to have.
    fn write(&mut self, changes: u64, apart: Duration) -> Result<(), Failure> {
        paced(changes, apart, || {
            self.database.start(&(self.change)(self.made))?;
            self.made += 1;
            Ok(())
        })?;
        let all = self.made * self.deliveries;
        self.load.until(all)?;
        self.load.flawless(all).map(drop)
    }
}

/// A walcast that has caught up.
fn walcast(programs: &Programs, database: &Database, slot: &str, more: &[&str]) -> Result<Server, Failure> {
    let server = Server::walcast(&programs.walcast, database, slot, Plugin::Pgoutput, more)?;
    server.caught_up()?;
    Ok(server)
}

fn load(server: &Server, spec: Spec) -> Result<Load, Failure> {
    Load::filled(&Spec { address: server.address.clone(), secret: Some(SECRET.into()), ..spec })
}

fn database(programs: &Programs, rooms: u64) -> Result<(String, Database), Failure> {
    let name = fresh_name();
    let database = Database::create(&programs.postgres, &programs.walcast, &name, rooms)?;
    Ok((name, database))
}

/// A change of one row in each of so many rooms in turn.
fn in_turn(rooms: u64) -> Box<dyn Fn(u64) -> String> {
    Box::new(move |nth| format!("SELECT burst({}, {}, 1, {PADDING});", nth % rooms, nth / rooms + 1))
}

fn rooms(programs: &Programs, rooms: u64) -> Result<Stage, Failure> {
    const SOCKETS: u64 = 1_000;
    let (name, database) = database(programs, rooms)?;
    let server = walcast(programs, &database, &name, &UNASKED)?;
    let load = load(&server, Spec { each: rooms / SOCKETS, ..Spec::new(SOCKETS, rooms) })?;
    Ok(Stage { server, load, database, change: in_turn(rooms), deliveries: 1, made: 0 })
}

fn tables(programs: &Programs, tables: u64) -> Result<Stage, Failure> {
    const SOCKETS: u64 = 100;
    let (name, mut database) = database(programs, 1)?;
    let each = |what: &str| {
        format!("SELECT format($${what}$$, number) FROM generate_series(0, {tables} - 1) number \\gexec\n")
    };
    database.run(
        &[
            each("CREATE TABLE t%1$s (id int PRIMARY KEY, kind text DEFAULT 'page', page text DEFAULT '0', name text)"),
            each("ALTER TABLE t%1$s REPLICA IDENTITY FULL"),
            each("INSERT INTO t%1$s (id) VALUES (1)"),
            each("SELECT walcast.broadcast_table('t%1$s', 't%1$s', entity => ARRAY['kind', 'page'])"),
            each("ALTER PUBLICATION walcast ADD TABLE t%1$s"),
        ]
        .concat(),
    )?;
    let server = walcast(programs, &database, &name, &UNASKED)?;
    let load = load(&server, Spec::new(SOCKETS, 1))?;
    let change = Box::new(move |nth| {
        format!("UPDATE t{} SET name = mark({}, 0) || repeat('.', {PADDING}) WHERE id = 1;", nth % tables, nth + 1)
    });
    let mut stage = Stage { server, load, database, change, deliveries: SOCKETS, made: 0 };
    // The first change of each table says how it looks.
    stage.write(tables, Duration::from_millis(1))?;
    Ok(stage)
}

fn history(programs: &Programs, megabytes: u64) -> Result<Stage, Failure> {
    const SOCKETS: u64 = 100;
    const AT_ONCE: u64 = 50;
    let (name, mut database) = database(programs, SOCKETS + 1)?;
    let kept = format!("{megabytes}MB");
    let more = [&UNASKED[..], &["--replay-bytes", &kept, "--replay-window", "1h"]].concat();
    let server = walcast(programs, &database, &name, &more)?;
    // One room more is nobody's: its events fill the history, half as large again.
    let bursts = megabytes * 1_500_000 / 2_000 / AT_ONCE;
    database.run(&format!(
        "DO $$ BEGIN FOR number IN 0..{bursts} LOOP
             PERFORM burst({SOCKETS}, number * {AT_ONCE} + 1, {AT_ONCE}, 1500); COMMIT;
         END LOOP; END $$;"
    ))?;
    let load = load(&server, Spec::new(SOCKETS, SOCKETS))?;
    let mut stage = Stage { server, load, database, change: in_turn(SOCKETS), deliveries: 1, made: 0 };
    // Until walcast has told what was written before.
    stage.write(SOCKETS, Duration::from_millis(1))?;
    Ok(stage)
}

fn users(programs: &Programs, users: u64) -> Result<Stage, Failure> {
    const IN_ROOM: u64 = 10;
    let rooms = users / IN_ROOM;
    let (name, mut database) = database(programs, rooms)?;
    database.run(&format!(
        "DO $$ BEGIN CREATE ROLE walcast_client NOLOGIN; EXCEPTION WHEN duplicate_object THEN END $$;
         CREATE TABLE members (user_id text PRIMARY KEY, tenant text NOT NULL);
         INSERT INTO members SELECT 'user-' || number, number % {rooms} FROM generate_series(0, {users} - 1) number;
         GRANT SELECT ON components, members TO walcast_client;
         ALTER TABLE components ENABLE ROW LEVEL SECURITY;
         CREATE POLICY tenants ON components TO walcast_client USING (entity_id = (
             SELECT m.tenant FROM members m
              WHERE m.user_id = current_setting('request.jwt.claims', true)::jsonb ->> 'userId'));"
    ))?;
    let server = walcast(programs, &database, &name, &UNASKED)?;
    let load = load(&server, Spec::new(users, rooms))?;
    let mut stage = Stage { server, load, database, change: in_turn(rooms), deliveries: IN_ROOM, made: 0 };
    // Who sees what is asked once.
    stage.write(rooms, Duration::from_millis(5))?;
    Ok(stage)
}
