use std::{
    fmt::Write as _,
    io::{self, Write as _},
    sync::Arc,
};

use clap::Args;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Failure;
use crate::{
    app::{self, Mapping, ServeError},
    change::{Change, Entry, Operation, Row, Table, Timestamp},
    config::{DatabaseArgs, StreamArgs},
    events::{Epoch, Event, Room, Target},
    replication::{self, Feed, Progress},
    store::Store,
};

#[derive(Args)]
pub struct TailArgs {
    /// Only this table: `orders` or `sales.orders`
    #[arg(long, value_name = "TABLE")]
    table: Option<String>,
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    stream: StreamArgs,
}

/// Streams from a temporary slot, which Postgres drops with the connection.
pub async fn run(args: TailArgs) -> Result<(), Failure> {
    let dsn = args.database.dsn()?;
    let store = Store::connect(&dsn).await?;
    store.require_migrated().await?;
    if let Some(wanted) = &args.table {
        require_published(&store, &args.stream.publication, wanted).await?;
    }
    let settings = replication::Settings {
        dsn,
        slot: format!("walcast_tail_{}", uuid::Uuid::new_v4().simple()),
        publication: args.stream.publication.clone(),
        plugin: args.stream.plugin,
        temporary: true,
        replay_bytes: 0,
    };
    let stop = CancellationToken::new();
    tokio::spawn(app::stop_on_signal(stop.clone()));
    let progress = Arc::new(Progress::default());
    let (feed, batches) = mpsc::channel(1);
    let streaming = tokio::spawn(replication::run(settings, progress.clone(), feed, stop.clone()));
    let printed = print(args.table.as_deref(), store, batches, &progress).await;
    stop.cancel();
    let streamed = streaming.await?;
    match printed {
        // Whoever read our output has gone, as `head` does.
        Err(error) if error.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe) => {
            Ok(())
        }
        Err(error) => Err(error),
        Ok(()) => Ok(streamed.map_err(ServeError::from)?),
    }
}

/// What is not published would be waited for in vain. That there is no such publication is told by the stream.
async fn require_published(store: &Store, publication: &str, wanted: &str) -> Result<(), Failure> {
    let Some(tables) = store.published_tables(publication).await? else { return Ok(()) };
    if tables.iter().any(|(schema, name)| is_named(wanted, schema, name)) {
        return Ok(());
    }
    let published: Vec<String> = tables.iter().map(|(schema, name)| format!("{schema}.{name}")).collect();
    Err(format!(
        "table `{wanted}` is not published by `{publication}`, which has {}: name one of these, or publish it \
         (ALTER PUBLICATION … ADD TABLE …)",
        if published.is_empty() { "no tables".to_owned() } else { published.join(", ") }
    )
    .into())
}

async fn print(
    table: Option<&str>,
    store: Store,
    mut feed: mpsc::Receiver<Feed>,
    progress: &Progress,
) -> Result<(), Failure> {
    let mut mapping = Mapping::begin(store.clone()).await?;
    let mut committed_at = Timestamp::default();
    while let Some(news) = feed.recv().await {
        let batch = match news {
            Feed::Batch(batch) => batch,
            Feed::Connected(connected) => {
                eprintln!("tailing from {}; Ctrl-C ends it", connected.confirmed);
                mapping = Mapping::begin(store.clone()).await?;
                progress.begin();
                continue;
            }
            Feed::Standby => continue,
            Feed::Lost(error) => {
                eprintln!("the stream broke: {error}; what was committed until it is back is not shown");
                continue;
            }
        };
        for entry in batch.entries {
            mapping.prepare(&entry).await?;
            let shown = match &entry {
                Entry::Begin(begin) => {
                    committed_at = begin.committed_at;
                    None
                }
                Entry::Commit(commit) => {
                    progress.handed_on(commit.end_lsn);
                    // What is told of the transaction as a whole may be of any table.
                    table.is_none().then(|| format!("{committed_at} {} COMMIT", commit.commit_lsn))
                }
                Entry::Change(change) if is_wanted(table, &change.table) => Some(describe(change, committed_at)),
                Entry::Unreadable(unreadable) => {
                    let table = unreadable.table.as_ref().map(|(schema, name)| format!("{schema}.{name}"));
                    let table = table.as_deref().unwrap_or("of an unknown table");
                    Some(format!("{committed_at} {} UNREADABLE {table}", unreadable.lsn))
                }
                Entry::Change(_) | Entry::Message(_) => None,
            };
            let is_commit = matches!(entry, Entry::Commit(_));
            let mut events = Vec::new();
            mapping.map(entry, &mut events);
            if let Some(change) = shown.filter(|_| !is_commit || !events.is_empty()) {
                show(&change, &events)?;
            }
        }
    }
    Ok(())
}

fn is_wanted(wanted: Option<&str>, table: &Table) -> bool {
    wanted.is_none_or(|wanted| is_named(wanted, &table.schema, &table.name))
}

fn is_named(wanted: &str, schema: &str, name: &str) -> bool {
    wanted == name || wanted.strip_suffix(name).and_then(|rest| rest.strip_suffix('.')) == Some(schema)
}

fn show(change: &str, events: &[Event]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{change}")?;
    let epoch = Epoch::new("tail");
    for event in events {
        let everyone = Room::row("*", "*");
        let (rooms, room) = match event.target() {
            Target::Rooms(rooms) => {
                (rooms.iter().map(Room::as_str).collect::<Vec<_>>().join(" "), rooms.first().unwrap_or(&everyone))
            }
            Target::Table { prefix, .. } => (format!("{prefix}:*"), &everyone),
            Target::Everyone => ("*".to_owned(), &everyone),
        };
        writeln!(out, "  → {} to {rooms}\n    {}", event.name(), event.encode(&epoch, room))?;
    }
    out.flush()
}

/// `2026-11-23T03:04:36.232Z 0/155CFE8 UPDATE public.components id=… name=…`.
fn describe(change: &Change, committed_at: Timestamp) -> String {
    let (verb, row) = match &change.operation {
        Operation::Insert { new } => ("INSERT", Some(new)),
        Operation::Update { new, .. } => ("UPDATE", Some(new)),
        Operation::Delete { old } => ("DELETE", Some(old.row())),
        Operation::Truncate => ("TRUNCATE", None),
    };
    let mut line = format!("{committed_at} {} {verb} {}", change.lsn, change.table);
    if let Some(row) = row {
        describe_row(&mut line, &change.table, row);
    }
    line
}

/// The most characters of a value that are shown.
const LONGEST: usize = 60;

fn describe_row(line: &mut String, table: &Table, row: &Row) {
    for (index, column) in table.columns.iter().enumerate() {
        let Some(text) = row.cell(index).text() else { continue };
        let mut shown: String = text.chars().take(LONGEST).collect();
        if shown.len() < text.len() {
            shown.push('…');
        }
        // Writing to a String cannot fail.
        let _ = write!(line, " {}={shown}", column.name);
    }
}
