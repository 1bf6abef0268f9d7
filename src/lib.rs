//! walcast reads a Postgres database's write-ahead log through logical replication and broadcasts every
//! committed change to browsers over Socket.IO.
//!
//! ```text
//! WAL ─► decode ─► change ─► events ─► hub ─► gateway ─► sockets
//! ```
//!
//! A floor imports only floors below it (`tests/tidy.rs` holds this):
//!
//! | floor | module | its job |
//! |---|---|---|
//! | 0 | [`change`] | what the WAL says, as plain data: position, table, cell, change |
//! | 1 | [`decode`] | bytes of pgoutput or wal2json in, changes out, every byte accounted for |
//! | 1 | [`postgres`] | the database's address, TLS to it, and what its refusals mean |
//! | 2 | [`replication`] | the connection to the log: publication, slot, stream, and the position that is confirmed |
//! | 1 | [`events`] | rules: a change becomes an event with name, payload, rooms and offset |

pub mod change;
pub mod decode;
pub mod events;
pub mod postgres;
pub mod replication;
