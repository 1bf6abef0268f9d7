//! What the measuring programs share.

pub mod client;
pub mod frame;
pub mod process;
pub mod subject;
pub mod token;

pub type Failure = Box<dyn std::error::Error>;

/// What an event's sequence number stands behind, in its text: twelve digits, counted from one.
pub const MARK: u8 = b'#';
pub const DIGITS: usize = 12;
