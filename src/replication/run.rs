use std::{sync::Arc, time::Duration};

use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use super::{Action, Fresh, Plugin, Progress, ReplicationError, backoff::Backoff, session::Session, stream::stream};
use crate::{
    change::{Entry, Lsn},
    postgres::Dsn,
    telemetry::{self, Way},
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
    /// The most log, in bytes, that [`Progress::keep_from`] may hold back on the server.
    pub replay_bytes: u64,
}

/// What the consumer gets, in this order: `Connected`, batches, and when it breaks `Lost` or `Standby` and again
/// `Connected`.
#[derive(Debug)]
pub enum Feed {
    /// A stream starts; answer with [`Progress::begin`]. A transaction that was open is void; it comes again from its Begin, as do transactions that
    /// were received and not confirmed.
    Connected(Connected),
    Batch(Batch),
    /// Another server reads the slot, and does so still at a second look where we read it before. Sent once; `Connected` follows when
    /// that server is gone.
    Standby,
    /// The connection is lost, and is being made again. The error is logged already.
    Lost(ReplicationError),
}

/// On what the stream stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connected {
    /// Why a new history begins, if one does: what was committed before `confirmed` will never come.
    pub fresh: Option<Fresh>,
    /// Where the slot stands: what commits at or after it comes.
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
    pub way: Way,
}

/// While another server holds the slot, ask for it this often.
const STANDBY_POLL: Duration = Duration::from_secs(1);

/// Reads the log into `feed` until `cancel` or until nobody receives; both are `Ok`.
///
/// Reconnects for as long as it takes, and logs the reason once. Only the first attempt's failure is returned, so that a
/// service that cannot work does not start.
pub async fn run(
    settings: Settings,
    progress: Arc<Progress>,
    feed: mpsc::Sender<Feed>,
    cancel: CancellationToken,
) -> Result<(), ReplicationError> {
    progress.bound(settings.replay_bytes);
    let mut supervisor =
        Supervisor { settings, progress, feed, cancel, system: None, fresh: None, started: false, streamed: false };
    let mut backoff = Backoff::default();
    let mut said = String::new();
    // Another server had the slot when we last could look: its end must be noticed soon.
    let mut on_call = false;
    let mut standing_by = false;
    loop {
        let began = Instant::now();
        let Err(lost) = supervisor.attempt().await else { return Ok(()) };
        let action = lost.action();
        if !supervisor.started && action != Action::Standby {
            return Err(lost);
        }
        supervisor.started = true;
        on_call &= !supervisor.streamed;
        let pause = if action == Action::Standby {
            // To stand by is to send all sockets away. It may be our own walsender, which has not heard that we are gone; so whoever
            // has the slot just after us is looked at once more.
            if !std::mem::take(&mut supervisor.streamed) && !std::mem::replace(&mut standing_by, true) {
                info!(slot = supervisor.settings.slot, "standing by: another server reads the replication slot");
                supervisor.tell(Feed::Standby).await;
            }
            on_call = true;
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
            let pause = backoff.next();
            if on_call { pause.min(STANDBY_POLL) } else { pause }
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
    let mut fresh = None;
    let session = Session::open(settings, &mut fresh).await?;
    let connected = Connected { fresh, ..session.connected.clone() };
    session.close().await;
    Ok(connected)
}

struct Supervisor {
    settings: Settings,
    progress: Arc<Progress>,
    feed: mpsc::Sender<Feed>,
    cancel: CancellationToken,
    /// The cluster that we read from.
    system: Option<String>,
    /// A new history has begun, and the consumer does not know yet.
    fresh: Option<Fresh>,
    /// Whether the first attempt is over.
    started: bool,
    /// The log was read, and nobody else was found at the slot since.
    streamed: bool,
}

impl Supervisor {
    /// One connection, from its start to its end.
    async fn attempt(&mut self) -> Result<(), ReplicationError> {
        let opening = async {
            let mut session = Session::open(&self.settings, &mut self.fresh).await?;
            if session.taken {
                // Starting would be refused; and if its reader left just now, we would not know where it left the slot.
                return Err(ReplicationError::SlotBusy { slot: self.settings.slot.clone() });
            }
            session.start().await?;
            Ok(session)
        };
        let mut session = tokio::select! {
            () = self.cancel.cancelled() => return Ok(()),
            session = opening => session?,
        };
        self.take_up(&mut session.connected);
        self.started = true;
        self.streamed = true;
        telemetry::leads(true);
        let ended = stream(session, &self.settings.dsn, &self.progress, &self.feed, &self.cancel).await;
        telemetry::leads(false);
        ended
    }

    /// Finds out whether what now comes continues what came before.
    fn take_up(&mut self, connected: &mut Connected) {
        info!(
            server = %self.settings.dsn,
            version = connected.server_version,
            slot = self.settings.slot,
            from = %connected.confirmed,
            "reading the log"
        );
        let before = self.system.replace(connected.system_identifier.clone());
        let known = before.is_some();
        if known {
            telemetry::reconnected();
        }
        let other = before.filter(|before| *before != connected.system_identifier);
        let anew = self.fresh.is_some() || other.is_some();
        let went_back = self.progress.connected(connected.confirmed, connected.wal_end, anew);
        connected.fresh = match (other, self.fresh.take(), went_back) {
            (Some(before), ..) => Some(Fresh::OtherCluster { before }),
            (None, Some(fresh), _) => Some(fresh),
            (None, None, went_back) => went_back.map(|read| Fresh::WentBack { read }),
        };
        if let Some(fresh) = connected.fresh.as_ref().filter(|_| known && !self.settings.temporary) {
            error!(slot = self.settings.slot, from = %connected.confirmed, "a new history begins: {fresh}");
        }
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
