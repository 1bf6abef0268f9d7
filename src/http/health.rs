use std::sync::Arc;

use axum::{Json, http::StatusCode, response::IntoResponse};
use serde_json::json;
use tokio::sync::watch;

use crate::telemetry;

/// What the server is doing, for probes and for the gate before the sockets. Cheap to clone.
#[derive(Clone)]
pub struct Health {
    state: Arc<watch::Sender<State>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It has not yet streamed up to where the log ended when it started.
    Starting,
    /// Streaming and caught up.
    Ready,
    /// Another server streams from the slot; this one waits to take over.
    Standby,
    /// It streamed, and the connection to the database is lost for the moment. Sockets stay.
    Disconnected,
    Stopping,
}

impl State {
    /// As `/readyz` says it.
    pub fn name(&self) -> &'static str {
        match self {
            State::Starting => "starting",
            State::Ready => "ready",
            State::Standby => "standby",
            State::Disconnected => "disconnected",
            State::Stopping => "stopping",
        }
    }
}

impl Default for Health {
    fn default() -> Self {
        Health { state: Arc::new(watch::Sender::new(State::Starting)) }
    }
}

impl Health {
    /// The stream runs and is caught up.
    pub fn ready(&self) {
        self.change(State::Ready, |from| *from != State::Stopping);
    }

    /// The stream broke off. A server that never had one, or waits for its turn, is what it was.
    pub fn lost(&self) {
        self.change(State::Disconnected, |from| *from == State::Ready);
    }

    pub fn standby(&self) {
        self.change(State::Standby, |from| *from != State::Stopping);
    }

    pub fn stopping(&self) {
        self.change(State::Stopping, |_| true);
    }

    fn change(&self, to: State, may: impl FnOnce(&State) -> bool) {
        self.state.send_if_modified(|state| {
            let changes = *state != to && may(state);
            if changes {
                tracing::info!(from = ?state, ?to, "state");
                telemetry::ready(to == State::Ready);
                *state = to;
            }
            changes
        });
    }

    pub fn get(&self) -> State {
        self.state.borrow().clone()
    }

    /// Whether sockets are let in: not before the stream has been caught up with once, nor while another server streams.
    pub fn serves_sockets(&self) -> bool {
        matches!(self.get(), State::Ready | State::Disconnected)
    }
}

/// `/healthz`: the process is alive, whatever the database does. A restart would mend nothing else.
pub async fn healthz() -> impl IntoResponse {
    Json(json!({ "status": "ok" }))
}

/// `/readyz`: 200 where the stream runs and is caught up, else 503 with the reason.
pub async fn readyz(health: Health) -> impl IntoResponse {
    let state = health.get();
    let status = if state == State::Ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "status": state.name() })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_wait_for_the_stream_and_outlast_an_interruption() {
        let health = Health::default();
        assert!(!health.serves_sockets());
        health.lost();
        assert_eq!(health.get(), State::Starting, "what never streamed is not interrupted");
        health.ready();
        assert!(health.serves_sockets());
        health.lost();
        assert!(health.serves_sockets());
        health.standby();
        health.lost();
        assert_eq!(health.get(), State::Standby);
        health.stopping();
        health.ready();
        assert_eq!(health.get(), State::Stopping, "nothing comes after stopping");
    }
}
