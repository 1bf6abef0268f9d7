use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::http::Tls;

/// Cancels on SIGTERM or SIGINT. A second one ends the process at once.
pub async fn stop_on_signal(stop: CancellationToken) {
    let (mut terminate, mut interrupt) = match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
        (Ok(terminate), Ok(interrupt)) => (terminate, interrupt),
        (Err(error), _) | (_, Err(error)) => {
            return tracing::error!(%error, "cannot listen for signals; end the process with SIGKILL");
        }
    };
    for asked_before in [false, true] {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        if asked_before {
            tracing::warn!(signal = name, "asked twice: ending at once");
            std::process::exit(130);
        }
        tracing::info!(signal = name, "asked to stop");
        stop.cancel();
    }
}

/// Reads the certificate and its key anew on each SIGHUP, until `stop`.
pub fn reload_on_hangup(tls: Tls, stop: CancellationToken) {
    let mut hangups = match signal(SignalKind::hangup()) {
        Ok(hangups) => hangups,
        Err(error) => return tracing::error!(%error, "cannot listen for SIGHUP; a new certificate needs a restart"),
    };
    tokio::spawn(async move {
        while let Some(Some(())) = stop.run_until_cancelled(hangups.recv()).await {
            match tls.reload() {
                Ok(()) => tracing::info!("certificate read anew"),
                Err(error) => tracing::error!(%error, "the certificate stays as it was"),
            }
        }
    });
}
