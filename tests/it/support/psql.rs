use std::{path::Path, process::Output};

use tokio::process::Command;

/// Runs `psql` on a database, as a DBA would.
pub async fn psql(dsn: &str, arguments: &[&str]) -> Output {
    let psql = std::env::var_os("PG_BIN").map(|bin| Path::new(&bin).join("psql"));
    let psql = psql.unwrap_or_else(|| "psql".into());
    Command::new(psql).args(["-X", "-q", "-d", dsn]).args(arguments).output().await.expect("psql runs")
}

/// The path of `sql/{name}.sql`.
pub fn script(name: &str) -> String {
    format!("{}/sql/{name}.sql", env!("CARGO_MANIFEST_DIR"))
}
