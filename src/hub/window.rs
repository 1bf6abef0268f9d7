use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use crate::change::Lsn;

/// Where the stream stood in the recent past: what a restart has to begin with, so that clients of the last `span` can
/// resume across it.
pub struct Window {
    span: Duration,
    /// The oldest first; the first is the latest that is older than the span, if one is.
    samples: VecDeque<(Instant, Lsn)>,
}

/// Into so many steps a window is divided: it lasts up to one step longer than asked.
const STEPS: u32 = 64;

impl Window {
    pub fn new(span: Duration) -> Self {
        Window { span, samples: VecDeque::new() }
    }

    /// Notes where the stream stands now. It never goes back: a stream that was interrupted repeats what it has brought, and
    /// one that begins within a transaction says that it stands nowhere yet.
    pub fn note(&mut self, now: Instant, at: Lsn) {
        let at = self.samples.back().map_or(at, |(_, before)| at.max(*before));
        let step = self.span / STEPS;
        if self.samples.back().is_none_or(|(then, _)| now.duration_since(*then) >= step) {
            self.samples.push_back((now, at));
        }
        while self.samples.get(1).is_some_and(|(then, _)| now.duration_since(*then) >= self.span) {
            self.samples.pop_front();
        }
    }

    /// Where the stream stood a span ago, or as long ago as is known.
    pub fn start(&self) -> Option<Lsn> {
        self.samples.front().map(|(_, at)| *at)
    }

    /// Positions of another history mean nothing.
    pub fn clear(&mut self) {
        self.samples.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_trails_by_its_span_and_not_by_much_more() {
        let mut window = Window::new(Duration::from_secs(64));
        let start = Instant::now();
        assert_eq!(window.start(), None);
        for second in 0..1_000 {
            window.note(start + Duration::from_secs(second), Lsn(second));
            let trails = second - window.start().expect("it was noted").0;
            assert!(trails <= 65 && (second < 64 || trails >= 64), "at {second} it trails by {trails}");
        }
        assert!(window.samples.len() <= 66, "{} samples", window.samples.len());
    }

    #[test]
    fn a_pause_does_not_make_it_forget_where_it_stood() {
        let mut window = Window::new(Duration::from_secs(64));
        let start = Instant::now();
        window.note(start, Lsn(1));
        window.note(start + Duration::from_secs(10), Lsn(2));
        window.note(start + Duration::from_secs(100), Lsn(3));
        assert_eq!(window.start(), Some(Lsn(2)), "36 seconds ago it stood at 2");
    }

    #[test]
    fn a_stream_that_begins_within_a_transaction_does_not_take_it_back() {
        let mut window = Window::new(Duration::from_secs(64));
        let start = Instant::now();
        window.note(start, Lsn(5));
        window.note(start + Duration::from_secs(10), Lsn::ZERO);
        window.note(start + Duration::from_secs(80), Lsn(7));
        assert_eq!(window.start(), Some(Lsn(5)), "64 seconds ago it stood where it began");
    }

    #[test]
    fn a_window_of_no_length_keeps_nothing_back() {
        let mut window = Window::new(Duration::ZERO);
        let now = Instant::now();
        window.note(now, Lsn(1));
        window.note(now, Lsn(2));
        assert_eq!(window.start(), Some(Lsn(2)));
    }
}
