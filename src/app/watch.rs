use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::lag::{Lag, Newest};
use crate::{
    http::{Health, State},
    replication::Progress,
    store::Store,
    telemetry,
};

/// How often it looks.
const LOOK: Duration = Duration::from_secs(5);

/// Looks at what nobody tells: how the slot stands, how far the stream is behind it, and what the process takes.
pub struct Watch {
    pub store: Store,
    pub slot: String,
    pub progress: Arc<Progress>,
    pub newest: Newest,
    pub health: Health,
    pub exposition: telemetry::Exposition,
}

impl Watch {
    /// Until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut lag = Lag::default();
        let mut is_known = true;
        while stop.run_until_cancelled(looks.tick()).await.is_some() {
            self.exposition.tidy();
            telemetry::process();
            let Some(found) = stop.run_until_cancelled(self.store.standing(&self.slot)).await else { return };
            match found {
                Ok(standing) => {
                    standing.report();
                    if self.health.get() == State::Standby {
                        lag = Lag::default();
                        telemetry::stream_lag(0, Duration::ZERO);
                    } else {
                        let (end, done) = (standing.log_end, self.progress.done());
                        let time = lag.look(Instant::now().into_std(), end, done, self.newest.get());
                        telemetry::stream_lag(end.0.saturating_sub(done.0), time);
                    }
                    is_known = true;
                }
                // Where the database is gone, the stream is too, and says so.
                Err(error) if std::mem::replace(&mut is_known, false) => {
                    tracing::warn!(%error, "how the slot stands is not known: its metrics stay as they were");
                }
                Err(_) => {}
            }
        }
    }
}
