use std::sync::{Arc, atomic::Ordering};

use super::{Carrier, Link, Stage};
use crate::gateway::{packet, websocket::frame};

/// A client's one way from polling to a WebSocket, until it has gone it or gives up.
pub struct Upgrade(Arc<Link>);

impl Link {
    pub fn polls(&self) -> bool {
        self.out().carrier == Carrier::Polling
    }

    /// A client that polls asks to go over to a WebSocket. `None`: it does so already, or has.
    pub fn begin_upgrade(self: &Arc<Self>) -> Option<Upgrade> {
        let mut out = self.out();
        let may = out.stage != Stage::Ended && out.carrier == Carrier::Polling && !out.is_upgrading;
        out.is_upgrading |= may;
        may.then(|| Upgrade(Arc::clone(self)))
    }

    /// The client tries the connection before it goes over: the poll that it has open, for which it waits, returns.
    pub(super) fn probe(&self) -> bool {
        let mut out = self.out();
        out.is_probed = true;
        if let Some(poll) = out.flusher.take() {
            poll.wake();
        }
        out.send_past(&frame::text(&[packet::PROBED])).is_ok()
    }

    /// The client has ended its polling and goes on over the WebSocket. False: the link has ended.
    pub(super) fn go_over(&self, compressed: bool) -> bool {
        let mut out = self.out();
        self.compresses.store(compressed, Ordering::Relaxed);
        out.carrier = Carrier::WebSocket;
        if let Some(poll) = out.flusher.take() {
            poll.wake();
        }
        self.send_waiting(&mut out);
        self.settle(&mut out).is_ok()
    }
}

impl Drop for Upgrade {
    fn drop(&mut self) {
        self.0.out().is_upgrading = false;
    }
}
