use std::{sync::Arc, time::Duration};

use socketioxide::SocketIo;
use tokio::time::{MissedTickBehavior, interval};

use super::{Dashboard, NAMESPACE};

/// How often it is told how all stands.
const EVERY: Duration = Duration::from_secs(1);

/// Tells all that look how all stands, and sends those away whose tokens have expired. While nobody looks it does nothing.
pub async fn run(io: SocketIo, dashboard: Arc<Dashboard>) {
    loop {
        dashboard.came.notified().await;
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // Whoever comes is told at once.
            tokio::select! {
                _ = ticks.tick() => {}
                () = dashboard.came.notified() => ticks.reset(),
            }
            let here = io.of(NAMESPACE).map(|namespace| namespace.sockets()).unwrap_or_default();
            let (expired, here): (Vec<_>, Vec<_>) = here
                .into_iter()
                .filter(|socket| socket.connected())
                .partition(|socket| dashboard.has_expired(socket.id));
            expired.into_iter().for_each(|socket| drop(socket.disconnect()));
            if here.is_empty() {
                break;
            }
            let snapshot = dashboard.settings.monitor.snapshot().await;
            for socket in here {
                // Who does not take it is ended by its link.
                let _ = socket.emit("snapshot", &snapshot);
            }
        }
    }
}
