//! Everything that needs a real Postgres, in one binary: one file a behaviour or a failure.

mod replication_refusals;
mod replication_stream;
mod replication_support;
mod replication_wire;
