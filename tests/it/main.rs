//! Everything that needs a real Postgres and a real client, in one binary: one file a behaviour or a failure.
//! `make test` gives them their Postgres; by hand: `scripts/with-postgres.sh cargo nextest run`.

mod support;

mod bad_surroundings;
mod commands;
mod gateway;
mod lifecycle;
mod main_road;
mod matrix;
mod plugins_agree;
mod poison;
mod replication_refusals;
mod replication_stream;
mod replication_wire;
