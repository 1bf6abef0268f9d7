//! A row that is updated twenty times a second, and how long whoever follows it waits to hear so.

use std::{
    fmt,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use tokio::{sync::watch, time::MissedTickBehavior};

use crate::truth;

const INTERVAL: Duration = Duration::from_millis(50);
const MARK: &[u8] = b"probe-";
/// The mark and its number.
const LENGTH: usize = MARK.len() + 8;
/// A latency below this is the timer's and the scheduler's.
const NOISE: Duration = Duration::from_millis(5);

/// The row and its writer. Cheap to clone.
#[derive(Clone)]
pub struct Probe {
    updates: Arc<Mutex<Vec<Update>>>,
    /// How many were heard.
    heard: watch::Sender<usize>,
    stop: watch::Sender<bool>,
}

#[derive(Clone, Copy)]
struct Update {
    sent: Instant,
    /// It was then committed.
    done: Option<Instant>,
    heard: Option<Instant>,
}

/// When the big transaction was what.
#[derive(Clone, Copy)]
pub struct Moments {
    pub began: Instant,
    /// All its rows are written.
    pub ended: Instant,
    pub committed: Instant,
    /// What was committed after it is heard.
    pub sent: Instant,
}

pub struct Latencies {
    updates: Vec<Update>,
    moments: Moments,
}

impl Probe {
    pub const ID: &str = "00000000-0000-4000-8000-00000000beef";

    pub async fn start(dsn: &str) -> Probe {
        let client = truth::connect(dsn).await.expect("connects");
        let probe = Probe { updates: Arc::default(), heard: watch::Sender::new(0), stop: watch::Sender::new(false) };
        tokio::spawn({
            let probe = probe.clone();
            async move {
                let mut ticks = tokio::time::interval(INTERVAL);
                ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
                while !*probe.stop.borrow() {
                    ticks.tick().await;
                    let number = probe.change(|updates| {
                        updates.push(Update { sent: Instant::now(), done: None, heard: None });
                        updates.len() - 1
                    });
                    let update = format!("UPDATE components SET name = 'probe-{number:08}' WHERE id = '{}'", Probe::ID);
                    // At the end its server is gone.
                    if client.batch_execute(&update).await.is_err() {
                        break;
                    }
                    probe.change(|updates| updates[number].done = Some(Instant::now()));
                }
            }
        });
        probe
    }

    /// Takes note of an update by what it wrote.
    pub fn hear(&self, name: &str) {
        let now = Instant::now();
        let number =
            name.as_bytes().strip_prefix(MARK).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
        let Some(number): Option<usize> = number else { return };
        self.change(|updates| {
            if let Some(update) = updates.get_mut(number) {
                update.heard.get_or_insert(now);
            }
        });
        self.heard.send_modify(|heard| *heard += 1);
    }

    /// Looks for updates in a stream of bytes; what may be the beginning of one is moved to the front, and its length told.
    pub fn find(&self, buffer: &mut [u8], length: usize) -> usize {
        let mut at = 0;
        while at + LENGTH <= length {
            let Some(next) = buffer[at..length].iter().position(|byte| *byte == MARK[0]) else { return 0 };
            at += next;
            if buffer[at..length].starts_with(MARK) && at + LENGTH <= length {
                self.hear(&String::from_utf8_lossy(&buffer[at..at + LENGTH]));
            }
            at += usize::from(at + LENGTH <= length);
        }
        buffer.copy_within(at..length, 0);
        length - at
    }

    /// Waits until an update is heard that was sent after a moment; when that was.
    pub async fn heard_since(&self, moment: Instant) -> Instant {
        let mut news = self.heard.subscribe();
        loop {
            news.borrow_and_update();
            let later = |update: &&Update| update.sent >= moment && update.heard.is_some();
            if let Some(update) = self.change(|updates| updates.iter().find(later).copied()) {
                return update.heard.unwrap_or(moment);
            }
            news.changed().await.expect("the probe lives");
        }
    }

    pub async fn latencies(self, moments: Moments) -> Latencies {
        self.stop.send_replace(true);
        Latencies { updates: self.change(|updates| updates.clone()), moments }
    }

    fn change<T>(&self, change: impl FnOnce(&mut Vec<Update>) -> T) -> T {
        change(&mut self.updates.lock().expect("no panic before"))
    }
}

/// Sorted.
pub struct Spread(Vec<Duration>);

impl Latencies {
    /// What was heard of the updates of each phase. Where an update was under way when a phase ended it is left out.
    pub fn phases(&self) -> [(&'static str, Spread); 4] {
        let Moments { began, ended, committed, sent } = self.moments;
        let second = Duration::from_secs(1);
        let of = |from: Instant, to: Instant| {
            let within = |update: &&Update| update.sent >= from && update.done.is_some_and(|done| done < to);
            let waits = self.updates.iter().filter(within).filter_map(|update| Some(update.heard? - update.sent));
            let mut waits: Vec<Duration> = waits.collect();
            waits.sort();
            Spread(waits)
        };
        let first = self.updates.first().map_or(began, |update| update.sent);
        let last = self.updates.last().map_or(sent, |update| update.sent);
        [
            ("before it", of(first + second, began)),
            ("while it is written", of(began, ended)),
            ("while it is sent", of(committed, sent)),
            ("after it", of(sent + second, last)),
        ]
    }

    /// How long after its commit the transaction was sent.
    pub fn sending(&self) -> Duration {
        self.moments.sent - self.moments.committed
    }

    /// Where whoever follows the probe waits more than twice as long as with another reader.
    pub fn slower_than(&self, other: &Latencies) -> Vec<String> {
        let phases = self.phases().into_iter().zip(other.phases());
        let mut slower = Vec::new();
        for ((phase, ours), (_, floor)) in phases {
            if ours.len() == 0 || floor.len() == 0 {
                slower.push(format!("{phase} nothing was measured"));
            }
            for (what, share) in [("the median", 0.5), ("of 95 %", 0.95)] {
                let (ours, floor) = (ours.at(share), floor.at(share));
                if ours > floor * 2 + NOISE {
                    slower.push(format!("{phase} {what} is {ours:.1?}, of pg_recvlogical {floor:.1?}"));
                }
            }
        }
        slower
    }
}

impl Spread {
    pub fn len(&self) -> usize {
        self.0.len()
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss)]
    fn at(&self, share: f64) -> Duration {
        let index = (share * (self.0.len().saturating_sub(1)) as f64).round() as usize;
        self.0.get(index).copied().unwrap_or_default()
    }
}

/// The median, what 95 % are below, and the longest.
impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [median, most, all] = [0.5, 0.95, 1.0].map(|share| self.at(share).as_secs_f64() * 1_000.0);
        write!(f, "{median:.1} ms | {most:.1} ms | {all:.1} ms")
    }
}
