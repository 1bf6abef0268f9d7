//! How much memory a server takes whose history is full, beside what `WALCAST_REPLAY_BYTES` allows it.

use std::time::Duration;

use crate::support::{Cluster, Server};

const SETTINGS: [u64; 2] = [64, 256];
/// The texts in the rows, in bytes; names, offsets and times come on top.
const TEXTS: [u64; 3] = [0, 850, 9_850];
/// What else an event's payload holds.
const FRAME: u64 = 190;
/// How much more the server's memory may grow by than the setting says: a tenth, and what the stream itself takes on its
/// way to the history, in MiB, whatever the setting is.
const TOLERANCE: f64 = 1.1;
const ON_ITS_WAY: f64 = 32.0;
const PATIENCE: Duration = Duration::from_secs(300);

pub async fn run() -> Result<(), String> {
    println!("| WALCAST_REPLAY_BYTES | payload | rooms | memory grows by | of the setting |");
    println!("|---|---|---|---|---|");
    let mut problems = Vec::new();
    for setting in SETTINGS {
        for text in TEXTS {
            for (rooms, room) in [("one", "1"), ("one an event", "n")] {
                let grown = fill(setting << 20, text, room).await;
                let share = mebibytes(grown) / mebibytes(setting << 20);
                let payload = text + FRAME;
                println!(
                    "| {setting} MiB | {payload} B | {rooms} | {:.0} MiB | {:.0} % |",
                    mebibytes(grown),
                    share * 100.0
                );
                if mebibytes(grown) > mebibytes(setting << 20) * TOLERANCE + ON_ITS_WAY {
                    problems.push(format!("{setting} MiB of {payload} B in {rooms}: {:.0} MiB", mebibytes(grown)));
                }
            }
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n  ")) }
}

#[allow(clippy::cast_precision_loss)]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// Sends half as much again as a history holds through a server; what its memory has grown by, in bytes.
async fn fill(setting: u64, text: u64, room: &str) -> u64 {
    let cluster = Cluster::start(&["max_wal_size = 4GB"]).await;
    cluster.sql("CREATE TABLE h (n int PRIMARY KEY, room text, t text); ALTER TABLE h REPLICA IDENTITY FULL").await;
    let bytes = setting.to_string();
    let arguments = ["--migrate", "--replay-bytes", &bytes, "--replay-window", "1h"];
    let server = Server::start_on(&cluster.dsn_text(""), "walcast", &arguments).await;
    cluster
        .sql("ALTER PUBLICATION walcast ADD TABLE h; SELECT walcast.broadcast_table('h', prefix => 'h', id => 'room')")
        .await;
    let before = resident(server.pid());
    let (rows, at_once) = (setting * 3 / 2 / (text + FRAME), 4 << 20);
    let step = (at_once / (text + FRAME)).max(1);
    for from in (0..rows).step_by(usize::try_from(step).expect("it is small")) {
        let to = from + step - 1;
        cluster
            .sql(&format!("INSERT INTO h SELECT n, {room}, repeat('x', {text}) FROM generate_series({from}, {to}) n"))
            .await;
    }
    let end = cluster.lsn("SELECT pg_current_wal_insert_lsn()").await;
    let all = async {
        // Where the server stands, the slot's state does not tell: it is held back. What was sent to it does.
        let sent = format!("SELECT write_lsn >= '{end}' FROM pg_stat_replication");
        while cluster.value(&sent).await.as_deref() != Some("t") {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, all).await.expect("all is sent");
    // What is written is received; a few batches may still be on their way through.
    tokio::time::sleep(Duration::from_secs(1)).await;
    resident(server.pid()).saturating_sub(before)
}

fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the field");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}
