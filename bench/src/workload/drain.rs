//! A backlog of commits that nobody listens to, and how fast it is read.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    thread::sleep,
    time::{Duration, Instant},
};

use super::{Contender, Extent, fresh_name, micros};
use crate::{
    Failure,
    database::Database,
    process::{Cpu, Running},
    reader,
    report::{Section, Table, median, ratio},
    server::{Plugin, Programs},
};

const COMMITS: u64 = 200_000;
/// What Node took for a change under `pgoutput`, user and system CPU in microseconds, where the most was set that walcast may
/// take of user CPU. Elsewhere both are more or less in the same proportion.
const NODE_TOOK: f64 = 106.0;
/// How often it is looked how far a server is.
const LOOK: Duration = Duration::from_millis(10);
const PATIENCE: Duration = Duration::from_secs(120);

/// One drain.
struct Drained {
    /// From the start of the program.
    took: Duration,
    cpu: Cpu,
}

impl Drained {
    fn rate(&self) -> f64 {
        COMMITS as f64 / self.took.as_secs_f64()
    }
}

pub fn backlog(programs: &Programs, extent: Extent) -> Result<Section, Failure> {
    let mut section = Section::new(
        "W4: a backlog",
        "200,000 one-row commits that stand in the log, and nobody subscribed; from the start of each program until it has read \
         the last. `pg_recvlogical` writes to /dev/null what it gets: no reader is faster.",
    );
    let head = ["", "changes a second", "user CPU a change, µs", "system CPU a change, µs"];
    let mut table = Table::new(&head);
    let mut targets = Vec::new();
    let mut node_takes = None;
    for plugin in [Plugin::Pgoutput, Plugin::Wal2json] {
        let contenders = Contender::of(programs, &[plugin]);
        let name = fresh_name();
        let mut database = Database::create(&programs.postgres, &programs.walcast, &name, 1)?;
        // Each reads the same log, by a slot of its own.
        let slot = |who: usize, round: usize| format!("{name}_{who}_{round}");
        // Node takes long: once is enough.
        let rounds = |contender: &Contender| if matches!(contender, Contender::Node(_)) { 1 } else { extent.rounds };
        for (who, contender) in contenders.iter().enumerate() {
            for round in 0..rounds(contender) {
                prepare(programs, *contender, &mut database, &slot(who, round), plugin)?;
            }
        }
        let ceiling = contenders.len();
        for round in 0..extent.rounds {
            database.make_slot(&slot(ceiling, round), plugin)?;
        }
        write(&mut database)?;
        let end = database.ask("pg_current_wal_lsn()::text")?;
        let mut drained: Vec<Vec<Drained>> = (0..=ceiling).map(|_| Vec::new()).collect();
        for round in 0..extent.rounds {
            for (who, contender) in contenders.iter().enumerate() {
                if round < rounds(contender) {
                    drained[who].push(drain(programs, *contender, &mut database, &slot(who, round))?);
                    eprintln!("  {}: {:.0}/s", contender.name(), drained[who][round].rate());
                }
            }
            drained[ceiling].push(receive(&database, &slot(ceiling, round), plugin, &end)?);
            eprintln!("  pg_recvlogical, {plugin}: {:.0}/s", drained[ceiling][round].rate());
        }
        if let Some(who) = contenders.iter().position(|contender| *contender == Contender::Node(Plugin::Pgoutput)) {
            node_takes = drained[who].first().map(|drained| micros(drained.cpu.both()) / COMMITS as f64);
        }
        let names = contenders.iter().map(|contender| contender.name());
        for (name, drained) in names.chain([format!("pg_recvlogical, {plugin}")]).zip(&drained) {
            let cost = |of: fn(Cpu) -> Duration| {
                median(drained.iter().map(|drained| micros(of(drained.cpu)) / COMMITS as f64).collect())
            };
            table.row(&[
                name,
                format!("{:.0}", median(drained.iter().map(Drained::rate).collect())),
                format!("{:.2}", cost(|cpu| cpu.user)),
                format!("{:.2}", cost(|cpu| cpu.system)),
            ]);
        }
        let rates = [0, ceiling].map(|who| drained[who].iter().map(Drained::rate).collect::<Vec<_>>());
        let user = median(drained[0].iter().map(|drained| micros(drained.cpu.user) / COMMITS as f64).collect());
        targets.push((plugin, ratio(&rates[0], &rates[1]), user));
    }
    section.table(&table);
    for (plugin, rate, user) in targets {
        let most = if plugin == Plugin::Pgoutput { 5.0 } else { 12.0 };
        section.verdict(&format!("{plugin}: {rate:.2}× the rate of pg_recvlogical (at least 0.9×)"), rate >= 0.9);
        section.verdict(&format!("{plugin}: {user:.1} µs user CPU a change (at most {most})"), user <= most);
        let of_node = user / node_takes.unwrap_or(f64::NAN);
        let what = format!("{plugin}: user CPU a change, of all that Node takes under pgoutput: {of_node:.3}×");
        let most = most / NODE_TOOK;
        section.verdict(&format!("{what} (at most {most:.3}×, as where these µs were set)"), of_node <= most);
    }
    Ok(section)
}

/// The same of walcast alone, once.
pub fn alone(programs: &Programs, plugin: Plugin) -> Result<(), Failure> {
    let (contender, name) = (Contender::Walcast(plugin), fresh_name());
    let mut database = Database::create(&programs.postgres, &programs.walcast, &name, 1)?;
    prepare(programs, contender, &mut database, &name, plugin)?;
    write(&mut database)?;
    drain(programs, contender, &mut database, &name).map(drop)
}

fn write(database: &mut Database) -> Result<(), Failure> {
    database.run(&format!(
        "DO $$ BEGIN FOR number IN 1..{COMMITS} LOOP PERFORM burst(0, number, 1, 140); COMMIT; END LOOP; END $$;"
    ))
}

/// Makes the slot, as each wants it. Walcast makes its own, and is stopped again.
fn prepare(
    programs: &Programs,
    contender: Contender,
    database: &mut Database,
    slot: &str,
    plugin: Plugin,
) -> Result<(), Failure> {
    if matches!(contender, Contender::Node(_)) {
        return database.make_slot(slot, plugin);
    }
    let server = contender.start(programs, database, slot, false)?;
    drop(server);
    until_free(database, slot)
}

fn until_free(database: &mut Database, slot: &str) -> Result<(), Failure> {
    let begin = Instant::now();
    while database.ask(&format!("SELECT active::text FROM pg_replication_slots WHERE slot_name = '{slot}'"))? != "false"
    {
        if begin.elapsed() > PATIENCE {
            return Err(format!("slot {slot} stays in use").into());
        }
        sleep(LOOK);
    }
    Ok(())
}

fn drain(programs: &Programs, contender: Contender, database: &mut Database, slot: &str) -> Result<Drained, Failure> {
    let begin = Instant::now();
    let mut server = contender.launch(programs, database, slot, false)?;
    if matches!(contender, Contender::Node(_)) {
        while changes_of_node(&mut server.process)? < COMMITS {
            patience(begin)?;
            sleep(LOOK);
        }
    } else {
        server.caught_up()?;
        let changes = changes_of_walcast(&server.address)?;
        if changes < COMMITS {
            return Err(format!("walcast says that it has caught up, after {changes} changes").into());
        }
    }
    Ok(Drained { took: begin.elapsed(), cpu: Cpu::of(server.process.pid())? })
}

fn patience(begin: Instant) -> Result<(), Failure> {
    if begin.elapsed() > PATIENCE { Err("the backlog is not read in time".into()) } else { Ok(()) }
}

fn changes_of_node(process: &mut Running) -> Result<u64, Failure> {
    process.tell("changes")?;
    let line = process.hear(|line| line.starts_with("changes "))?;
    Ok(line.trim_start_matches("changes ").parse()?)
}

fn changes_of_walcast(address: &str) -> Result<u64, Failure> {
    let mut tcp = TcpStream::connect(address)?;
    tcp.write_all(b"GET /metrics HTTP/1.1\r\nHost: walcast\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    tcp.read_to_string(&mut text)?;
    let line = text.lines().find_map(|line| line.strip_prefix("walcast_changes_total "));
    Ok(line.ok_or("no walcast_changes_total")?.trim().parse::<f64>()? as u64)
}

/// What `pg_recvlogical` takes to the end of the log.
fn receive(database: &Database, slot: &str, plugin: Plugin, end: &str) -> Result<Drained, Failure> {
    let begin = Instant::now();
    let mut child = reader::command(database, slot, plugin, &["-f", "/dev/null", "-E", end]).spawn()?;
    let mut cpu = Cpu::default();
    let status = loop {
        cpu = Cpu::of(child.id()).unwrap_or(cpu);
        if let Some(status) = child.try_wait()? {
            break status;
        }
        patience(begin)?;
        sleep(LOOK);
    };
    if !status.success() {
        return Err(format!("pg_recvlogical: {status}").into());
    }
    Ok(Drained { took: begin.elapsed(), cpu })
}
