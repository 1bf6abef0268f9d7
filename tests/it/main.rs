//! Everything that needs a real Postgres and a real client, in one binary: one file a behaviour or a failure.
//! `make test` gives them their Postgres; by hand: `scripts/with-postgres.sh cargo nextest run`.

mod support;

mod abandoned_upgrades;
mod altered_table;
mod another_cluster;
mod bad_surroundings;
mod behind_haproxy;
mod behind_nginx;
mod browser;
mod commands;
mod compression;
mod connection_churn;
mod failover;
mod gateway;
mod held_wal;
mod leader_killed;
mod lifecycle;
mod main_road;
mod matrix;
mod namespaces;
mod old_clients;
mod plugins_agree;
mod poison;
mod polling;
mod publication_changed;
mod python_client;
mod recovery;
mod replica_identity_changed;
mod replication_refusals;
mod replication_stream;
mod replication_wire;
mod restored_backup;
mod resume;
mod rule_changed;
mod slot_dropped;
mod slot_invalidated;
mod slow_clients;
mod sql_functions;
mod table_recreated;
mod tls;
mod token_life;
mod truncate;
mod upgrade_storm;
