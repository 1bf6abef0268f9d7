use std::time::Duration;

use super::{Encode, Retention};
use crate::change::Lsn;

/// What the hub keeps to.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    pub retention: Retention,
    /// How many events of one transaction a room is sent; the rest becomes one `…:resync`.
    pub room_cap: u32,
    /// How many bytes of missed events one socket is sent; who missed more fetches again.
    pub replay_bytes: usize,
    /// Whether sockets have sessions, by which they come back without saying what they were in.
    pub recovery: bool,
    /// How long what is worth nothing later (typing, cursors, who comes and goes) is gathered before it is told.
    pub tick: Duration,
    /// How many of a room's users are named.
    pub roster: usize,
    pub limits: Limits,
    pub encode: Encode,
}

/// What nobody may exceed; 0: no limit.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    pub users_of_a_room: usize,
    /// Of those that it asks for.
    pub rooms_of_a_socket: usize,
    pub sockets_of_a_user: usize,
}

/// Whom the dispatcher tells how far it is.
pub struct Reports {
    /// A [`Batch::Begin`] is taken up: what is reported from now on is of the stream that it begins.
    pub begun: Box<dyn Fn() + Send>,
    /// Every event of the transactions up to here is in the outboxes.
    pub handed_on: Box<dyn Fn(Lsn) + Send>,
    /// What commits from here on is needed again after a restart.
    pub keep_from: Box<dyn Fn(Lsn) + Send>,
}
