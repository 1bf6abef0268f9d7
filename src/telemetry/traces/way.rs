use std::fmt::Display;

use tracing::{Span, field::Empty, trace, trace_span};

use super::TARGET;

/// The way of what arrived from the log together: a span, and within it one stage after the other. What is between two stages
/// is time in a queue. It goes along with what it is of, and ends where it is dropped.
#[derive(Debug)]
pub struct Way {
    whole: Span,
    stage: Span,
}

/// Of nothing: an empty batch leaves no trace.
impl Default for Way {
    fn default() -> Self {
        Way { whole: Span::none(), stage: Span::none() }
    }
}

impl Way {
    /// Something came in, and is decoded.
    pub fn begin() -> Way {
        let whole = trace_span!(
            target: TARGET,
            parent: None,
            "batch",
            transactions = Empty,
            changes = Empty,
            events = Empty,
        );
        let stage = trace_span!(target: TARGET, parent: &whole, "decode");
        Way { whole, stage }
    }

    /// The stage is over, and the next one not begun.
    pub fn wait(&mut self) {
        self.stage = Span::none();
    }

    pub fn map(&mut self) {
        if !self.whole.is_disabled() {
            self.stage = trace_span!(target: TARGET, parent: &self.whole, "map");
        }
    }

    pub fn dispatch(&mut self) {
        if !self.whole.is_disabled() {
            self.stage = trace_span!(target: TARGET, parent: &self.whole, "dispatch");
        }
    }

    /// A transaction begins in it.
    pub fn transaction(&self, xid: u32, commit_lsn: impl Display) {
        trace!(target: TARGET, parent: &self.whole, xid = i64::from(xid), %commit_lsn, "transaction");
    }

    /// Transactions that are complete with it, and its changes.
    pub fn brought(&self, transactions: u64, changes: u64) {
        self.whole.record("transactions", number(transactions)).record("changes", number(changes));
    }

    pub fn told(&self, events: usize) {
        self.whole.record("events", number(events));
    }
}

/// OpenTelemetry has no unsigned numbers: they would become texts.
fn number(count: impl TryInto<i64>) -> Option<i64> {
    count.try_into().ok()
}
