use std::{sync::Arc, time::Duration};

use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use super::{Action, Plugin, Progress, ReplicationError, backoff::Backoff, session::Session, stream::stream};
use crate::{
    change::{Entry, Lsn},
    postgres::Dsn,
};

/// Where to read the log, and how.
#[derive(Clone, Debug)]
pub struct Settings {
    pub dsn: Dsn,
    /// Lower case letters, digits and `_`, at most 63.
    pub slot: String,
    pub publication: String,
    pub plugin: Plugin,
    /// A slot that the server drops with the connection: nothing is kept for us while we are away.
    pub temporary: bool,
}

/// What the consumer gets, in this order: `Connected`, batches, and when it breaks `Lost` or `Standby` and again
/// `Connected`.
#[derive(Debug)]
pub enum Feed {
    /// A stream starts. A transaction that was open is void; it comes again from its Begin, as do transactions that
    /// were received and not confirmed.
    Connected(Connected),
    Batch(Batch),
    /// Another server reads the slot. Sent once; `Connected` follows when that server is gone.
    Standby,
    /// The connection is lost, and is being made again. The error is logged already.
    Lost(ReplicationError),
}

/// On what the stream stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connected {
    /// The slot is new: what was committed before it will never come.
    pub created: bool,
    /// Where the slot stands.
    pub confirmed: Lsn,
    /// Where the log ended just before the stream: who has seen a [`Batch::wal_end`] from here on has caught up.
    pub wal_end: Lsn,
    /// `150018` is 15.18.
    pub server_version: u32,
    /// Names the database cluster: positions mean nothing in another.
    pub system_identifier: String,
}

/// What arrived together. It may begin and end within a transaction, and may have no entries.
#[derive(Debug, Default)]
pub struct Batch {
    pub entries: Vec<Entry>,
    /// All that commits before here is in this batch and those before it.
    pub wal_end: Lsn,
}

/// While another server holds the slot, ask for it this often.
const STANDBY_POLL: Duration = Duration::from_secs(1);

/// Reads the log into `feed` until `cancel` or until nobody receives; both are `Ok`.
///
/// Reconnects for as long as it takes, and logs the reason once. Only the first attempt's failure is returned, so that a
/// service that cannot work does not start; later only one whose action is [`Action::Stop`].
pub async fn run(
    settings: Settings,
    progress: Arc<Progress>,
    feed: mpsc::Sender<Feed>,
    cancel: CancellationToken,
) -> Result<(), ReplicationError> {
    let mut supervisor = Supervisor { settings, progress, feed, cancel, system: None, started: false };
    let mut backoff = Backoff::default();
    let mut said = String::new();
    let mut standing_by = false;
    loop {
        let began = Instant::now();
        let Err(lost) = supervisor.attempt().await else { return Ok(()) };
        let action = lost.action();
        if action == Action::Stop || (!supervisor.started && action != Action::Standby) {
            return Err(lost);
        }
        supervisor.started = true;
        let pause = if action == Action::Standby {
            if !std::mem::replace(&mut standing_by, true) {
                info!(slot = supervisor.settings.slot, "standing by: another server reads the replication slot");
                supervisor.tell(Feed::Standby).await;
            }
            backoff.reset();
            backoff.jitter(STANDBY_POLL)
        } else {
            standing_by = false;
            if backoff.is_outlived_by(began.elapsed()) {
                backoff.reset();
                said.clear();
            }
            log(&lost, &mut said);
            supervisor.tell(Feed::Lost(lost)).await;
            backoff.next()
        };
        tokio::select! {
            () = supervisor.cancel.cancelled() => return Ok(()),
            () = supervisor.feed.closed() => return Ok(()),
            () = sleep(pause) => {}
        }
    }
}

/// Checks all that [`run`] needs and makes publication and slot, without reading from it. That another server is
/// reading is no error.
pub async fn prepare(settings: &Settings) -> Result<Connected, ReplicationError> {
    let session = Session::open(settings).await?;
    let connected = session.connected.clone();
    session.close().await;
    Ok(connected)
}

struct Supervisor {
    settings: Settings,
    progress: Arc<Progress>,
    feed: mpsc::Sender<Feed>,
    cancel: CancellationToken,
    /// The cluster that we belong to.
    system: Option<String>,
    /// Whether the first attempt is over.
    started: bool,
}

impl Supervisor {
    /// One connection, from its start to its end.
    async fn attempt(&mut self) -> Result<(), ReplicationError> {
        let opening = async {
            let mut session = Session::open(&self.settings).await?;
            let found = &session.connected.system_identifier;
            if let Some(known) = self.system.as_ref().filter(|known| *known != found) {
                return Err(ReplicationError::OtherCluster { known: known.clone(), found: found.clone() });
            }
            session.start().await?;
            Ok(session)
        };
        let session = tokio::select! {
            () = self.cancel.cancelled() => return Ok(()),
            session = opening => session?,
        };
        let connected = session.connected.clone();
        info!(
            server = %self.settings.dsn,
            version = connected.server_version,
            slot = self.settings.slot,
            from = %connected.confirmed,
            "reading the log"
        );
        if !self.progress.connected(connected.confirmed, connected.wal_end) {
            warn!(wal_end = %connected.wal_end, "the server's log ends before what was read from it: its history is another");
        }
        if connected.created && self.system.is_some() && !self.settings.temporary {
            error!(
                slot = self.settings.slot,
                "the replication slot was gone and is new: changes in between never come"
            );
        }
        self.system = Some(connected.system_identifier);
        self.started = true;
        stream(session, &self.settings.dsn, &self.progress, &self.feed, &self.cancel).await
    }

    async fn tell(&self, news: Feed) {
        tokio::select! {
            () = self.cancel.cancelled() => {}
            // That nobody receives any more shows in the loop.
            _ = self.feed.send(news) => {}
        }
    }
}

fn log(lost: &ReplicationError, said: &mut String) {
    let now = lost.to_string();
    let remedy = lost.remedy().unwrap_or_default();
    if *said == now {
        debug!(remedy, "still: {now}");
        return;
    }
    match lost.action() {
        Action::TellOperator => error!(remedy, "not reading the log: {now}"),
        _ => warn!(remedy, "not reading the log, connecting again: {now}"),
    }
    *said = now;
}
