use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use tokio::{
    sync::Mutex,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use crate::telemetry;

/// Where clients wait that come in, each until it is its turn: so many a second, in the order in which they came. To let one
/// in takes what hundreds of messages take, and whoever is in already must not wait for all who come back after a deploy.
pub struct Line {
    /// From one to the next; zero: nobody waits.
    gap: Duration,
    /// When the first in the line is let in. Its lock is fair, so it is the line; who goes away leaves no gap.
    next: Mutex<Instant>,
    waiting: AtomicUsize,
    closed: CancellationToken,
}

/// Nobody is let in any more.
#[derive(Debug, PartialEq, Eq)]
pub struct Closed;

/// What nobody has taken of so much time before may be taken at once.
const SAVED: Duration = Duration::from_millis(100);

impl Line {
    /// 0: any number.
    pub fn new(per_second: u32) -> Self {
        let gap = Duration::from_secs(1).checked_div(per_second).unwrap_or_default();
        let (waiting, closed) = Default::default();
        Line { gap, next: Mutex::new(Instant::now()), waiting, closed }
    }

    /// Returns when whoever asks may come in. Dropped before that, it has taken nobody's turn.
    pub async fn turn(&self) -> Result<(), Closed> {
        let _waits = Waits::begin(&self.waiting);
        tokio::select! {
            biased;
            () = self.closed.cancelled() => Err(Closed),
            () = self.wait() => Ok(()),
        }
    }

    async fn wait(&self) {
        if self.gap.is_zero() {
            return;
        }
        let mut next = self.next.lock().await;
        sleep_until(*next).await;
        *next = after(*next, Instant::now(), self.gap);
    }

    pub fn close(&self) {
        self.closed.cancel();
    }
}

/// When the one is let in after whom it was `next` to be let in, and was so `now`.
fn after(next: Instant, now: Instant, gap: Duration) -> Instant {
    now.checked_sub(SAVED).map_or(next, |saved| next.max(saved)) + gap
}

struct Waits<'a>(&'a AtomicUsize);

impl<'a> Waits<'a> {
    fn begin(waiting: &'a AtomicUsize) -> Self {
        telemetry::handshakes_waiting(waiting.fetch_add(1, Ordering::Relaxed) + 1);
        Waits(waiting)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        telemetry::handshakes_waiting(self.0.fetch_sub(1, Ordering::Relaxed) - 1);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::poll_fn,
        pin::{Pin, pin},
        task::Poll,
    };

    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn so_many_are_let_in_a_second_and_a_tenth_of_a_second_is_saved() {
        let (begin, gap, ms) = (Instant::now() + SAVED, Duration::from_millis(40), Duration::from_millis);
        // After a long while three come in at once, then one every 40 ms, and who comes in late keeps nobody up.
        let (mut next, mut let_in) = (begin, Vec::new());
        for late in [0, 0, 0, 0, 7, 0] {
            let now = next.max(begin + ms(60_000)) + ms(late);
            let_in.push((now - begin).as_millis() - 60_000);
            next = after(next, now, gap);
        }
        assert_eq!(let_in, [0, 0, 0, 20, 67, 100]);
    }

    /// Polls a future once: it waits.
    async fn wait<T>(future: &mut (impl Future<Output = T> + Unpin)) {
        poll_fn(|context| {
            assert!(Pin::new(&mut *future).poll(context).is_pending(), "it did not wait");
            Poll::Ready(())
        })
        .await;
    }

    #[tokio::test]
    async fn who_goes_away_leaves_no_gap() {
        let line = Line::new(1);
        line.turn().await.expect("it is open");
        let next = *line.next.lock().await;
        {
            let (mut first, mut second) = (pin!(line.turn()), pin!(line.turn()));
            wait(&mut first).await;
            wait(&mut second).await;
        }
        assert_eq!(*line.next.lock().await, next);
        assert_eq!(line.waiting.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn nobody_waits_where_any_number_may_come() {
        let line = Line::new(0);
        for _ in 0..100 {
            assert_eq!(pin!(line.turn()).now_or_never(), Some(Ok(())));
        }
    }

    #[tokio::test]
    async fn who_waits_is_sent_away_when_it_closes() {
        let line = Line::new(1);
        line.turn().await.expect("it is open");
        let mut waits = pin!(line.turn());
        wait(&mut waits).await;
        line.close();
        assert_eq!(waits.await, Err(Closed));
        assert_eq!(line.turn().await, Err(Closed));
    }
}
