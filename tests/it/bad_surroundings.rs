//! What is wrong with the settings or the database is told in one line with its remedy, exit code 2.

use std::process::Stdio;

use tokio::{net::TcpListener, process::Command};

use crate::support::{Cluster, Database, SECRET, walcast, within};

/// Runs `walcast` with arguments that cannot work; its one line.
async fn refusal(arguments: &[&str]) -> String {
    refusal_of(walcast().args(arguments)).await
}

async fn refusal_of(command: &mut Command) -> String {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("spawns");
    let output = within("the end of walcast", child.wait_with_output()).await.expect("waits");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    let lines: Vec<&str> = said.lines().filter(|line| line.starts_with("walcast: ")).collect();
    assert_eq!(lines.len(), 1, "{said}");
    assert!(!said.contains("panicked") && !said.contains("backtrace"), "{said}");
    assert!(!said.contains("..") && !said.contains('\u{1b}'), "{said}");
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
    says(&serve_refusal("not a url", &[]).await, &["DATABASE_URL", "neither", "postgres://user:password@host:5432/"]);
}

#[tokio::test]
async fn an_unreachable_database() {
    let free = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let port = free.local_addr().expect("an address").port();
    drop(free);
    let line = serve_refusal(&format!("postgres://u:hunter2@127.0.0.1:{port}/db"), &[]).await;
    says(&line, &["refused", &format!("127.0.0.1:{port}"), ". Check host and port in DATABASE_URL"]);
    assert!(!line.contains("hunter2"), "a secret is told: {line}");
    let migrate = refusal(&["migrate", "--database-url", &format!("postgres://u@127.0.0.1:{port}/db")]).await;
    assert_eq!(migrate, line, "it is told alike wherever it is met");
}

#[tokio::test]
async fn a_host_that_nobody_knows() {
    let line = serve_refusal("postgres://u:hunter2@nosuch.invalid:5433/db", &[]).await;
    says(&line, &["nosuch.invalid:5433", ". Check host and port in DATABASE_URL"]);
    assert!(!line.contains("hunter2"), "a secret is told: {line}");
}

#[tokio::test]
async fn a_server_without_tls() {
    let cluster = cluster(&[], "host all all 127.0.0.1/32 trust").await;
    let dsn = format!("postgres://postgres@127.0.0.1:{}/postgres?sslmode=require", cluster.port);
    let line = serve_refusal(&dsn, &[]).await;
    says(&line, &[&format!("127.0.0.1:{}", cluster.port), "no TLS", "sslmode is require. Turn TLS on"]);
}

#[tokio::test]
async fn a_password_that_is_asked_for_and_not_given() {
    let cluster = cluster(&[], "host all all 127.0.0.1/32 scram-sha-256").await;
    let line = serve_refusal(&format!("postgres://postgres@127.0.0.1:{}/postgres", cluster.port), &[]).await;
    says(&line, &[&format!("127.0.0.1:{}", cluster.port), "`postgres`", "password", "DATABASE_URL"]);
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
    says(&serve_refusal(&cluster.dsn_text(""), &["--plugin", "wal2json"]).await, &["wal2json", "nstall the plugin"]);
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
        (&["--frontend-url", "*,http://localhost"][..], "FRONTEND_URL"),
        (&["--jwt-public-key", "/nowhere"], "JWT_PUBLIC_KEY"),
        (&["--log", "=nonsense="], "WALCAST_LOG"),
    ] {
        let fixed = ["serve", "--database-url", "postgres://u@localhost/x", "--jwt-secret", SECRET];
        says(&refusal(&[&fixed[..], arguments].concat()).await, &[word]);
    }
}

#[tokio::test]
async fn a_wrong_argument_is_one_line_with_an_example() {
    for (arguments, words) in [
        (&["serve", "--listen", "4000"][..], &["--listen", "4000", "127.0.0.1:4000", "walcast serve --help"][..]),
        (&["serve", "--plugin", "test_decoding"], &["--plugin", "test_decoding", "wal2json"]),
        (&["serve", "--stall-timeout", "soon"], &["--stall-timeout", "soon", "as in 10s"]),
        (&["serve", "--outbox-bytes", "lots"], &["--outbox-bytes", "lots", "as in 1MiB"]),
        (&["serve", "--room-cap", "0"], &["--room-cap", "above 0"]),
        (&["serve", "--trusted-proxies", "nginx"], &["--trusted-proxies", "`nginx`", "10.0.0.0/8"]),
        (&["serve", "--failed-handshakes", "100"], &["--failed-handshakes", "as in 100/m"]),
        (&["dev", "--postgres-port", "70000"], &["--postgres-port", "as in 54320", "walcast dev --help"]),
        (&["token"], &["--user", "walcast token --help"]),
        (&["serve", "--lisen", "x"], &["--lisen", "--listen"]),
        (&["--log-format", "xml", "serve"], &["pretty", "json"]),
        (&["sevre"], &["sevre", "serve", "see walcast --help"]),
    ] {
        let line = refusal(arguments).await;
        says(&line, words);
        assert!(!line.contains("error:") && !line.contains("Usage"), "{line}");
    }
    let output = walcast().arg("serve").env("WALCAST_MIGRATE", "perhaps").output().await.expect("runs");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    says(&refusal_of(walcast().arg("serve").env("WALCAST_MIGRATE", "yes")).await, &["DATABASE_URL is not set"]);
}

#[tokio::test]
async fn help_and_version_are_no_failure() {
    for argument in ["--help", "--version"] {
        let output = walcast().arg(argument).output().await.expect("runs");
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stdout).contains("walcast"), "{output:?}");
    }
}

#[tokio::test]
async fn a_secret_that_can_be_guessed() {
    let short = "x".repeat(31);
    let line = refusal(&["serve", "--database-url", "postgres://u@localhost/x", "--jwt-secret", &short]).await;
    says(&line, &["JWT_SECRET has 31 bytes", "openssl rand -base64 48"]);
    let output = walcast().args(["token", "--user", "ann", "--jwt-secret", &short]).output().await.expect("runs");
    assert!(output.status.success(), "{output:?}");
    says(&String::from_utf8_lossy(&output.stderr), &["warning", "JWT_SECRET has 31 bytes"]);
}

#[tokio::test]
async fn a_key_that_is_empty_in_the_environment_is_none() {
    let mut command = walcast();
    command.args(["serve", "--database-url", "postgres://u@localhost/x"]);
    for name in ["JWT_SECRET", "JWT_PUBLIC_KEY", "JWT_JWKS_FILE"] {
        command.env(name, "");
    }
    says(&refusal_of(&mut command).await, &["no key to check tokens with"]);
}

#[tokio::test]
async fn a_certificate_that_cannot_be_served_with() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    let (key, other) = (rcgen::KeyPair::generate().expect("a key"), rcgen::KeyPair::generate().expect("a key"));
    let parameters = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).expect("parameters");
    let certificate = parameters.self_signed(&key).expect("a certificate").pem();
    let broken = "-----BEGIN CERTIFICATE-----\nbm9uZQ==\n-----END CERTIFICATE-----\n";
    for (name, text) in [
        ("cert", certificate.as_str()),
        ("key", &key.serialize_pem()),
        ("other", &other.serialize_pem()),
        ("text", "nonsense"),
        ("broken", broken),
    ] {
        std::fs::write(path(name), text).expect("writes");
    }
    for (certificate, key, words) in [
        ("cert", "", &["WALCAST_TLS_CERT is set", "WALCAST_TLS_KEY is not", "both or neither"][..]),
        ("", "key", &["WALCAST_TLS_KEY is set", "WALCAST_TLS_CERT is not"]),
        ("missing", "key", &["WALCAST_TLS_CERT", "missing, which cannot be read", "No such file"]),
        ("cert", "missing", &["WALCAST_TLS_KEY", "missing, which cannot be read", "No such file"]),
        ("text", "key", &["WALCAST_TLS_CERT", "text, which holds no certificate in PEM form"]),
        ("cert", "text", &["WALCAST_TLS_KEY", "text, which holds no private key in PEM form"]),
        ("cert", "cert", &["WALCAST_TLS_KEY", "cert, which holds no private key in PEM form"]),
        ("cert", "other", &["other (WALCAST_TLS_KEY) is not that of", "cert (WALCAST_TLS_CERT)"]),
        ("broken", "key", &["WALCAST_TLS_CERT", "cannot be served", "broken"]),
    ] {
        // An empty value is none.
        let named = |name: &str| if name.is_empty() { String::new() } else { path(name) };
        let mut command = walcast();
        command.args(["serve", "--database-url", "postgres://u@localhost/x", "--jwt-secret", SECRET]);
        command.env("WALCAST_TLS_CERT", named(certificate)).env("WALCAST_TLS_KEY", named(key));
        says(&refusal_of(&mut command).await, words);
    }
}

#[tokio::test]
async fn a_table_that_is_not_published_has_no_tail() {
    let database = Database::new().await;
    database.sql("CREATE TABLE orders (id int PRIMARY KEY); CREATE PUBLICATION walcast FOR TABLE walcast.rules").await;
    for table in ["orders", "public.orders", "nosuch"] {
        let line = refusal(&["tail", "--table", table, "--database-url", &database.dsn()]).await;
        says(&line, &["not published", table, "walcast.rules", "ADD TABLE"]);
    }
}

#[tokio::test]
async fn dev_on_a_port_that_is_taken_starts_no_postgres() {
    let folder = tempfile::tempdir().expect("a folder");
    let taken = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = taken.local_addr().expect("an address").to_string();
    let dir = folder.path().join("dev");
    let line = refusal(&["dev", "--listen", &address, "--dir", dir.to_str().expect("UTF-8")]).await;
    says(&line, &["WALCAST_LISTEN", &address]);
    assert!(!dir.exists());
}
