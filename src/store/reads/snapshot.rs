/// Which transactions a read saw (`pg_current_snapshot()`). Their numbers are as the log has them: the lower half.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The first that had not begun, or not ended.
    xmax: u32,
    in_progress: Vec<u32>,
}

impl Snapshot {
    /// Reads `xmin:xmax:xip,xip`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(':').skip(1);
        let low = |number: &str| number.parse().ok().map(|xid: u64| (xid & u64::from(u32::MAX)) as u32);
        let xmax = low(parts.next()?)?;
        let numbers = parts.next()?.split(',').filter(|number| !number.is_empty());
        Some(Snapshot { xmax, in_progress: numbers.map(low).collect::<Option<_>>()? })
    }

    /// Whether it saw what a transaction did that has committed. Of all numbers that end so, the one meant is less than 2^31
    /// away.
    pub fn sees(&self, xid: u32) -> bool {
        (xid.wrapping_sub(self.xmax) as i32) < 0 && !self.in_progress.contains(&xid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_progress_or_later_is_not_seen() {
        let snapshot = Snapshot::parse("10:14:11,13").expect("a snapshot");
        let seen: Vec<_> = (9..16).filter(|xid| snapshot.sees(*xid)).collect();
        assert_eq!(seen, [9, 10, 12]);
        assert!(Snapshot::parse("10:14:").is_some_and(|snapshot| snapshot.sees(13) && !snapshot.sees(14)));
    }

    #[test]
    fn numbers_go_round() {
        let snapshot = Snapshot::parse("4294967290:4294967299:4294967297").expect("a snapshot");
        assert!(snapshot.sees(u32::MAX) && snapshot.sees(0) && !snapshot.sees(1) && snapshot.sees(2));
        assert!(!snapshot.sees(3));
    }

    #[test]
    fn what_is_no_snapshot_is_refused() {
        for text in ["", "1", "1:2", "1:x:", "1:2:x", "1:2:3,,y"] {
            assert_eq!(Snapshot::parse(text), None, "{text}");
        }
    }
}
