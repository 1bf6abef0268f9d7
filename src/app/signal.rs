use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

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
