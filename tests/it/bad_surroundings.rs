//! What is wrong with the settings or the database is told in one line with its remedy, exit code 2.

use std::process::Stdio;

use tokio::net::TcpListener;

use crate::support::{Cluster, Database, SECRET, walcast, within};

/// Runs `walcast` with arguments that cannot work; its one line.
async fn refusal(arguments: &[&str]) -> String {
    let child = walcast().args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("spawns");
    let output = within("the end of walcast", child.wait_with_output()).await.expect("waits");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    let lines: Vec<&str> = said.lines().filter(|line| line.starts_with("walcast: ")).collect();
    assert_eq!(lines.len(), 1, "{said}");
    assert!(!said.contains("panicked") && !said.contains("backtrace"), "{said}");
    lines[0].to_owned()
}

/// `walcast serve` on a database.
async fn serve_refusal(dsn: &str, more: &[&str]) -> String {
    let fixed = [
        "serve",
        "--log",
        "error",
        "--listen",
        "127.0.0.1:0",
        "--jwt-secret",
        SECRET,
        "--slot",
        "bad",
        "--database-url",
        dsn,
    ];
    refusal(&[&fixed[..], more].concat()).await
}

fn says(line: &str, words: &[&str]) {
    for word in words {
        assert!(line.contains(word), "`{word}` is not in: {line}");
    }
}

/// A migrated cluster of one's own.
async fn cluster(settings: &[&str], hba: &str) -> Cluster {
    let cluster = Cluster::start_with(settings, hba, |_| {}).await;
    let output = walcast().args(["migrate", "--database-url", &cluster.dsn_text("")]).output().await.expect("runs");
    assert!(output.status.success(), "{output:?}");
    cluster
}

#[tokio::test]
async fn no_database_url() {
    says(&refusal(&["serve", "--jwt-secret", SECRET]).await, &["DATABASE_URL is not set", "postgres://"]);
}

#[tokio::test]
async fn an_unreadable_database_url() {
    let line = serve_refusal("postgres://user:hunter2@host:notaport/db", &[]).await;
    says(&line, &["DATABASE_URL"]);
    assert!(!line.contains("hunter2"), "a secret is told: {line}");
}

#[tokio::test]
async fn an_unreachable_database() {
    let free = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let port = free.local_addr().expect("an address").port();
    drop(free);
    let line = serve_refusal(&format!("postgres://u:hunter2@127.0.0.1:{port}/db"), &[]).await;
    says(&line, &["refused"]);
    assert!(!line.contains("hunter2"), "a secret is told: {line}");
}

#[tokio::test]
async fn a_wrong_password() {
    let cluster = cluster(&[], "host all all 127.0.0.1/32 scram-sha-256").await;
    cluster.sql("ALTER ROLE postgres PASSWORD 'right'").await;
    let dsn = format!("host=127.0.0.1 port={} user=postgres password=hunter2 dbname=postgres", cluster.port);
    let line = serve_refusal(&dsn, &[]).await;
    says(&line, &["password", "DATABASE_URL"]);
    assert!(!line.contains("hunter2"), "a secret is told: {line}");
}

#[tokio::test]
async fn no_key_to_check_tokens_with() {
    let line = refusal(&["serve", "--database-url", "postgres://u@localhost/x"]).await;
    says(&line, &["JWT_SECRET", "JWT_PUBLIC_KEY", "JWT_JWKS_FILE"]);
}

#[tokio::test]
async fn a_database_that_was_not_migrated() {
    let cluster = Cluster::start(&[]).await;
    says(&serve_refusal(&cluster.dsn_text(""), &[]).await, &["walcast migrate"]);
}

#[tokio::test]
async fn a_database_of_a_newer_walcast() {
    let database = Database::new().await;
    database
        .sql("INSERT INTO walcast.schema_history (version, name, applied_on, checksum) VALUES (999, 'later', '', '0')")
        .await;
    says(&serve_refusal(&database.dsn(), &[]).await, &["newer", "999"]);
    says(&refusal(&["migrate", "--database-url", &database.dsn()]).await, &["newer", "999"]);
}

#[tokio::test]
async fn wal_level_is_not_logical() {
    let cluster = cluster(&["wal_level = replica"], "").await;
    says(&serve_refusal(&cluster.dsn_text(""), &[]).await, &["wal_level", "logical"]);
}

#[tokio::test]
async fn no_replication_privilege() {
    let cluster = cluster(&[], "").await;
    cluster
        .sql(
            "CREATE ROLE plain LOGIN; GRANT ALL ON SCHEMA walcast TO plain; GRANT ALL ON ALL TABLES IN SCHEMA walcast TO plain; \
             CREATE PUBLICATION walcast FOR TABLE walcast.rules",
        )
        .await;
    says(&serve_refusal(&cluster.dsn_text("user=plain"), &[]).await, &["REPLICATION", "ALTER ROLE"]);
}

#[tokio::test]
async fn a_publication_that_is_missing_and_cannot_be_created() {
    let cluster = cluster(&[], "").await;
    cluster
        .sql("CREATE ROLE reader LOGIN REPLICATION; GRANT ALL ON SCHEMA walcast TO reader; GRANT ALL ON ALL TABLES IN SCHEMA walcast TO reader")
        .await;
    says(
        &serve_refusal(&cluster.dsn_text("user=reader"), &[]).await,
        &["publication", "CREATE PUBLICATION \"walcast\""],
    );
}

#[tokio::test]
async fn no_free_slot() {
    let cluster = cluster(&["max_replication_slots = 1"], "").await;
    cluster.sql("SELECT pg_create_logical_replication_slot('taken', 'pgoutput')").await;
    says(&serve_refusal(&cluster.dsn_text(""), &[]).await, &["max_replication_slots"]);
}

#[tokio::test]
async fn a_plugin_that_is_not_installed() {
    let cluster = cluster(&["dynamic_library_path = '/nowhere'"], "").await;
    says(&serve_refusal(&cluster.dsn_text(""), &["--plugin", "wal2json"]).await, &["wal2json", "install"]);
}

#[tokio::test]
async fn a_port_that_is_taken() {
    let database = Database::new().await;
    let taken = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = taken.local_addr().expect("an address").to_string();
    let line = refusal(&[
        "serve",
        "--log",
        "error",
        "--listen",
        &address,
        "--jwt-secret",
        SECRET,
        "--slot",
        &database.name,
        "--database-url",
        &database.dsn(),
    ])
    .await;
    says(&line, &["WALCAST_LISTEN", &address]);
}

#[tokio::test]
async fn settings_that_say_nothing_sensible() {
    for (arguments, word) in [
        (&["--frontend-url", "*"][..], "FRONTEND_URL"),
        (&["--jwt-public-key", "/nowhere"], "JWT_PUBLIC_KEY"),
        (&["--log", "=nonsense="], "WALCAST_LOG"),
    ] {
        let fixed = ["serve", "--database-url", "postgres://u@localhost/x", "--jwt-secret", SECRET];
        says(&refusal(&[&fixed[..], arguments].concat()).await, &[word]);
    }
    for arguments in [["--listen", "nowhere"], ["--plugin", "test_decoding"], ["--stall-timeout", "soon"]] {
        let output = walcast().arg("serve").args(arguments).output().await.expect("runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(arguments[0]) && said.contains(arguments[1]), "{said}");
    }
}
