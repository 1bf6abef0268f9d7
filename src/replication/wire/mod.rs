//! The frontend/backend protocol as far as replication needs it: connect, log in, ask, and copy both ways.
//!
//! `tokio_postgres` cannot do this: it sends no startup parameters of ours and knows no CopyBoth.
//! Source: <https://www.postgresql.org/docs/current/protocol.html>.

mod binding;
mod connect;
mod frame;
mod half;
mod login;
mod query;

pub(super) use connect::connect;
pub(super) use frame::{Frame, server_error};
pub(super) use half::{Reader, Writer};
pub(super) use query::Row;

/// A connection to a walsender that has logged in.
pub(super) struct Wire {
    pub(super) reader: Reader,
    pub(super) writer: Writer,
}
