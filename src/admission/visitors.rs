use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use axum::http::HeaderMap;

use super::Proxies;

/// What one address may do.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How many connections it may have at once; 0: any number.
    pub connections: u32,
    /// How many handshakes may fail before the next are refused unheard; `None`: any number.
    pub failures: Option<Failures>,
}

/// So many within a time, which begins with the first. A window and not a leaking bucket, since it must be asked without
/// being filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failures {
    pub most: NonZeroU32,
    pub within: Duration,
}

/// Who is connected, and whose handshakes failed lately, by address. Cheap to clone.
#[derive(Clone)]
pub struct Visitors(Arc<Inner>);

struct Inner {
    limits: Limits,
    proxies: Proxies,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    by_block: HashMap<Block, Entry>,
    /// What is over is looked for when there are so many,
    sweep_at: usize,
    /// or, where no more fit, when this is a while ago.
    swept: Option<Instant>,
}

/// What counts as one address: of IPv6 a /64, which is what a single subscriber has.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Block(IpAddr);

#[derive(Default)]
struct Entry {
    connections: u32,
    failed: u32,
    since: Option<Instant>,
}

/// How many addresses are remembered, in some 100 bytes each. Failures of more are not counted until some are forgotten.
const MOST: usize = 1 << 17;
/// Fewer are not worth a look.
const FEW: usize = 1 << 10;
/// How long it takes at least until a full table is looked through again.
const REST: Duration = Duration::from_secs(1);

impl Visitors {
    pub fn new(limits: Limits, proxies: Proxies) -> Self {
        Visitors(Arc::new(Inner { limits, proxies, seen: Mutex::default() }))
    }

    /// Whoever has connected. `None`: a trusted proxy, which brings others.
    pub fn connected(&self, peer: IpAddr) -> Option<Visitor> {
        (!self.trust(peer)).then(|| self.visitor(Some(peer.to_canonical())))
    }

    /// Whoever a request comes from.
    pub fn asking(&self, peer: IpAddr, headers: &HeaderMap) -> Visitor {
        self.visitor(self.0.proxies.client(peer, headers))
    }

    pub fn trust(&self, peer: IpAddr) -> bool {
        self.0.proxies.trust(peer)
    }

    /// See [`Proxies::overhear`].
    pub fn overhear(&self, peer: IpAddr, headers: &HeaderMap) -> bool {
        self.0.proxies.overhear(peer, headers)
    }

    fn visitor(&self, address: Option<IpAddr>) -> Visitor {
        Visitor { visitors: self.clone(), block: address.map(Block::of) }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whoever comes from one address. Who it is nobody says (see [`Proxies::client`]) is not limited. Cheap to clone.
#[derive(Clone)]
pub struct Visitor {
    visitors: Visitors,
    block: Option<Block>,
}

impl Visitor {
    /// A place for one connection more, for as long as it is held. `None`: it has all that it may have.
    pub fn take_seat(&self) -> Option<Seat> {
        let limits = &self.visitors.0.limits;
        let Some(block) = self.block.filter(|_| limits.connections > 0) else { return Some(Seat(None)) };
        let mut seen = self.visitors.seen();
        seen.sweep(limits);
        let entry = seen.by_block.entry(block).or_default();
        if entry.connections >= limits.connections {
            return None;
        }
        entry.connections += 1;
        drop(seen);
        Some(Seat(Some(Arc::new(Taken { visitors: self.visitors.clone(), block }))))
    }

    /// A handshake failed.
    pub fn fail(&self) {
        if self.count_failure() {
            let address = self.address();
            tracing::warn!(address, "too many handshakes failed: the next from there are refused unheard for a while");
        }
    }

    /// True: it was the last, and the next are refused.
    fn count_failure(&self) -> bool {
        let limits = &self.visitors.0.limits;
        let (Some(block), Some(failures)) = (self.block, limits.failures) else { return false };
        let mut seen = self.visitors.seen();
        seen.sweep(limits);
        if seen.by_block.len() >= MOST && !seen.by_block.contains_key(&block) {
            return false;
        }
        let now = Instant::now();
        let entry = seen.by_block.entry(block).or_default();
        if entry.since.is_none_or(|since| now.duration_since(since) >= failures.within) {
            (entry.since, entry.failed) = (Some(now), 0);
        }
        entry.failed = entry.failed.saturating_add(1);
        entry.failed == failures.most.get()
    }

    /// For how long its handshakes are refused unheard, if they are.
    pub fn is_refused(&self) -> Option<Duration> {
        let failures = self.visitors.0.limits.failures?;
        let seen = self.visitors.seen();
        let entry = seen.by_block.get(&self.block?)?;
        if entry.failed < failures.most.get() {
            return None;
        }
        failures.within.checked_sub(entry.since?.elapsed()).filter(|left| !left.is_zero())
    }

    /// For the log.
    fn address(&self) -> String {
        match self.block {
            Some(Block(IpAddr::V6(network))) => format!("{network}/64"),
            Some(Block(address)) => address.to_string(),
            None => "unknown".to_owned(),
        }
    }
}

/// A connection's place among those of its address, given back with the last clone.
#[derive(Clone)]
pub struct Seat(#[expect(dead_code, reason = "it is held, and counts when it goes")] Option<Arc<Taken>>);

struct Taken {
    visitors: Visitors,
    block: Block,
}

impl Drop for Taken {
    fn drop(&mut self) {
        let mut seen = self.visitors.seen();
        if let Some(entry) = seen.by_block.get_mut(&self.block) {
            entry.connections = entry.connections.saturating_sub(1);
            if entry.connections == 0 && entry.since.is_none() {
                seen.by_block.remove(&self.block);
            }
        }
    }
}

impl Block {
    fn of(address: IpAddr) -> Self {
        const HOSTS: u128 = u64::MAX as u128;
        Block(match address {
            IpAddr::V4(_) => address,
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !HOSTS)),
        })
    }
}

impl Seen {
    /// Forgets what is over, so seldom that it costs nothing.
    fn sweep(&mut self, limits: &Limits) {
        let count = self.by_block.len();
        let is_full = count >= MOST && self.swept.is_none_or(|swept| swept.elapsed() >= REST);
        if count < self.sweep_at.max(FEW) && !is_full {
            return;
        }
        let within = limits.failures.map_or(Duration::ZERO, |failures| failures.within);
        self.by_block.retain(|_, entry| {
            if entry.since.is_some_and(|since| since.elapsed() >= within) {
                (entry.since, entry.failed) = (None, 0);
            }
            entry.connections > 0 || entry.since.is_some()
        });
        (self.sweep_at, self.swept) = (self.by_block.len().saturating_mul(2), Some(Instant::now()));
        self.by_block.shrink_to(self.sweep_at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visitors(connections: u32, most: u32, within: Duration) -> Visitors {
        let failures = NonZeroU32::new(most).map(|most| Failures { most, within });
        Visitors::new(Limits { connections, failures }, Proxies::new(vec!["10.0.0.0/8".parse().expect("a network")]))
    }

    fn visitor(visitors: &Visitors, address: &str) -> Visitor {
        visitors.visitor(Some(address.parse().expect("an address")))
    }

    const LONG: Duration = Duration::from_secs(3600);

    #[test]
    fn an_address_has_so_many_seats_and_gets_back_what_it_leaves() {
        let visitors = visitors(2, 0, LONG);
        let ann = visitor(&visitors, "192.0.2.1");
        let (first, second) = (ann.take_seat(), ann.take_seat());
        assert!(first.is_some() && second.is_some() && ann.take_seat().is_none());
        assert!(visitor(&visitors, "192.0.2.2").take_seat().is_some(), "another has its own");
        let copy = second.clone();
        drop(second);
        assert!(ann.take_seat().is_none(), "it is still held");
        drop((first, copy));
        assert!(ann.take_seat().is_some());
        assert!(visitors.seen().by_block.is_empty(), "who has gone is forgotten");
    }

    #[test]
    fn a_network_of_ipv6_is_one_address_and_who_is_unknown_is_none() {
        let visitors = visitors(1, 1, LONG);
        let seat = visitor(&visitors, "2001:db8:1:2::1").take_seat();
        assert!(seat.is_some() && visitor(&visitors, "2001:db8:1:2:ffff::9").take_seat().is_none());
        assert!(visitor(&visitors, "2001:db8:1:3::1").take_seat().is_some());
        assert!(visitors.connected([10, 1, 1, 1].into()).is_none());
        let unknown = visitors.asking([10, 1, 1, 1].into(), &HeaderMap::new());
        let seats = [(); 9].map(|()| unknown.take_seat().is_some());
        assert!(seats.iter().all(|taken| *taken) && !unknown.count_failure() && unknown.is_refused().is_none());
    }

    #[test]
    fn who_fails_too_often_is_refused_until_the_window_ends() {
        let visitors = visitors(0, 3, LONG);
        let (ann, bob) = (visitor(&visitors, "192.0.2.1"), visitor(&visitors, "192.0.2.2"));
        assert_eq!([ann.count_failure(), ann.count_failure()], [false, false]);
        assert_eq!(ann.is_refused(), None);
        assert_eq!([ann.count_failure(), ann.count_failure()], [true, false], "it is told once");
        assert!(ann.is_refused().is_some_and(|left| left <= LONG));
        assert_eq!(bob.is_refused(), None);

        let brief = visitor(&self::visitors(0, 1, Duration::ZERO), "192.0.2.1");
        assert!(brief.count_failure() && brief.is_refused().is_none(), "a window that is over");
    }

    #[test]
    fn addresses_that_failed_once_are_forgotten() {
        let visitors = visitors(0, 1, Duration::ZERO);
        for number in 0..10 * FEW as u32 {
            visitors.visitor(Some(IpAddr::from(number.to_be_bytes()))).fail();
            assert!(visitors.seen().by_block.len() <= FEW);
        }
    }

    #[test]
    fn no_more_addresses_are_remembered_than_fit() {
        let visitors = visitors(0, 1, LONG);
        for number in 0..MOST as u32 + 10 {
            visitors.visitor(Some(IpAddr::from(number.to_be_bytes()))).fail();
        }
        assert_eq!(visitors.seen().by_block.len(), MOST);
        let known = visitor(&visitors, "0.0.0.1");
        assert!(known.is_refused().is_some() && !visitor(&visitors, "255.0.0.1").count_failure());
    }
}
