use std::{sync::Arc, time::Duration};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::{auth::Verifier, http::Tls};

/// How often the files of keys are looked at.
const LOOK: Duration = Duration::from_secs(2);

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

/// Reads the certificate with its key, and the keys of tokens, anew on each SIGHUP, until `stop`.
pub fn reload_on_hangup(tls: Option<Tls>, verifier: Arc<Verifier>, stop: CancellationToken) {
    let mut hangups = match signal(SignalKind::hangup()) {
        Ok(hangups) => hangups,
        Err(error) => return tracing::error!(%error, "cannot listen for SIGHUP; a new certificate needs a restart"),
    };
    tokio::spawn(async move {
        while let Some(Some(())) = stop.run_until_cancelled(hangups.recv()).await {
            match tls.as_ref().map(Tls::reload) {
                Some(Ok(())) => tracing::info!("certificate read anew"),
                Some(Err(error)) => tracing::error!(%error, "the certificate stays as it was"),
                None => {}
            }
            reload(&verifier);
        }
    });
}

/// Reads the keys of tokens anew whenever one of their files has changed, until `stop`.
pub fn follow_keys(verifier: Arc<Verifier>, stop: CancellationToken) {
    tokio::spawn(async move {
        while stop.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_some() {
            if verifier.has_news() {
                reload(&verifier);
            }
        }
    });
}

fn reload(verifier: &Verifier) {
    match verifier.reload() {
        Ok(()) => tracing::info!("keys of tokens read anew"),
        Err(error) => tracing::error!(%error, "the keys of tokens stay as they were"),
    }
}
