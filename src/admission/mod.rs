//! Floor 1: who may come in, before anybody is asked for a token: from which origins, how many and how often from one
//! address, and how many a second of all.

mod forwarded;
mod line;
mod origins;
mod visitors;

pub use forwarded::Proxies;
pub use line::{Closed, Line};
pub use origins::Origins;
pub use visitors::{Failures, Limits, Seat, Visitor, Visitors};

/// What is asked of everybody.
#[derive(Clone)]
pub struct Admission {
    pub origins: Origins,
    pub visitors: Visitors,
}

/// Marks an answer that refuses somebody, and counts against the address that it goes to.
#[derive(Clone, Copy)]
pub struct Failed;
