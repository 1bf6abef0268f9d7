//! walcast reads a Postgres database's write-ahead log through logical replication and broadcasts every
//! committed change to browsers over Socket.IO.
//!
//! ```text
//! WAL ─► replication ─► decode ─► change ─► events ─► hub ─► gateway ─► sockets
//! ```
//!
//! A floor imports only its own and those below it (`tests/tidy` holds this):
//!
//! | floor | module | its job |
//! |---|---|---|
//! | 0 | [`change`] | what the WAL says, as plain data: position, table, cell, change |
//! | 0 | [`telemetry`] | every metric, named once; traces |
//! | 1 | [`decode`] | the bytes of `pgoutput` and `wal2json` into changes; no IO |
//! | 1 | [`events`] | rules turn changes into events: name, payload, rooms, offset; no IO |
//! | 1 | [`admission`] | who may come in: by origin, and how many and how often from one address |
//! | 1 | [`auth`] | who a socket is: tokens signed and verified |
//! | 1 | [`postgres`] | how to reach the database: DSN, TLS, what its refusals mean |
//! | 1 | [`store`] | the SQL side: pool, migrations, rules, epochs, reads of rows |
//! | 2 | [`replication`] | the only place that touches the WAL: connection, slot, stream, what is confirmed |
//! | 2 | [`hub`] | rooms, the one dispatcher, one queue a socket |
//! | 3 | [`gateway`] | Socket.IO in and out |
//! | 3 | [`doctor`] | what is wrong with a database, why it matters, what mends it |
//! | 3 | [`http`] | TLS, health, rows for who polls, and the way to the sockets |
//! | 4 | [`app`], [`cli`], [`config`] | the composition root, the command line, the settings |

pub mod admission;
pub mod app;
pub mod auth;
pub mod change;
pub mod cli;
pub mod config;
pub mod decode;
pub mod doctor;
pub mod events;
pub mod gateway;
pub mod http;
pub mod hub;
pub mod postgres;
pub mod replication;
pub mod store;
pub mod telemetry;
