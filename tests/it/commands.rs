//! The commands beside `serve`.

use std::process::Stdio;

use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::TcpListener,
    process::{Child, Command},
};

use crate::support::{Database, SECRET, Server, Sockets, token, users, walcast, within};

#[tokio::test]
async fn migrations_started_at_once_wait_for_each_other_and_a_second_run_changes_nothing() {
    let database = Database::new().await;
    database.sql("DROP SCHEMA walcast CASCADE; DROP TABLE components").await;
    let dsn = database.dsn();
    let starts = (0..20).map(|_| walcast().args(["migrate", "--log", "error", "--database-url", &dsn]).output());
    let mut applied = 0;
    for output in futures_all(starts).await {
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        applied += usize::from(said.contains("applied V1__walcast_schema"));
    }
    assert_eq!(applied, 1, "the first one applies, the others find it done");
    let again = walcast().args(["migrate", "--database-url", &dsn]).output().await.expect("runs");
    assert_eq!(String::from_utf8_lossy(&again.stdout), "the database is up to date\n");
    assert_eq!(String::from_utf8_lossy(&again.stderr), "");
}

/// Runs them all at once.
async fn futures_all<T: Send + 'static>(
    futures: impl Iterator<Item = impl Future<Output = std::io::Result<T>> + Send + 'static>,
) -> Vec<T> {
    let tasks: Vec<_> = futures.map(tokio::spawn).collect();
    let mut done = Vec::new();
    for task in tasks {
        done.push(within("a command", task).await.expect("no panic").expect("runs"));
    }
    done
}

#[tokio::test]
async fn a_signed_token_opens_the_door() {
    let output = walcast()
        .args(["token", "--user", "ann", "--email", "ann@example.com", "--ttl", "5m", "--jwt-secret", SECRET])
        .output()
        .await
        .expect("runs");
    let token = String::from_utf8(output.stdout).expect("text");
    let database = Database::new().await;
    let server = Server::start(&database).await;
    let sockets = Sockets::start().await;
    let options = json!({ "transports": ["websocket"], "auth": { "token": token.trim() } });
    let client = sockets.try_connect(&server, options).await.expect("connects");
    let ack = client.subscribe(json!({ "componentId": "x" })).await;
    assert_eq!(users(&ack), json!([{ "id": "ann", "email": "ann@example.com" }]));
}

/// A command that goes on, and its lines.
fn running(command: &mut Command) -> (Child, tokio::io::Lines<BufReader<tokio::process::ChildStdout>>) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("spawns");
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    (child, lines)
}

async fn interrupt(mut child: Child) -> Option<i32> {
    let pid = child.id().expect("it runs").to_string();
    Command::new("kill").args(["-INT", &pid]).status().await.expect("kill runs");
    within("its end", child.wait()).await.expect("waits").code()
}

#[tokio::test]
async fn tail_prints_changes_and_their_events_and_leaves_nothing_behind() {
    let database = Database::new().await;
    let _server = Server::start(&database).await;
    for plugin in ["pgoutput", "wal2json"] {
        let (mut child, mut lines) = running(walcast().args([
            "tail",
            "--table",
            "components",
            "--plugin",
            plugin,
            "--database-url",
            &database.dsn(),
        ]));
        let mut notes = BufReader::new(child.stderr.take().expect("piped")).lines();
        while !within("the start", notes.next_line()).await.expect("reads").expect("a line").contains("tailing from") {}
        database.sql("SELECT walcast.broadcast_table('components', prefix => 'component', id => 'id')").await;
        let id = database.component("shown", "[]").await;
        let change = within("a change", lines.next_line()).await.expect("reads").expect("a line");
        assert!(change.contains("INSERT public.components") && change.contains("name=shown"), "{change}");
        let event = within("an event", lines.next_line()).await.expect("reads").expect("a line");
        assert_eq!(event.trim(), format!("→ component:created to component:{id}"));
        assert_eq!(interrupt(child).await, Some(0));
        // Postgres drops the slot when it notices that the connection is gone.
        let left = "SELECT count(*) FROM pg_replication_slots \
                    WHERE slot_name LIKE 'walcast_tail%' AND database = current_database()";
        within("the end of the slot", async {
            while database.value::<i64>(left).await > 0 {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        })
        .await;
    }
}

#[tokio::test]
async fn dev_serves_from_its_own_postgres_and_finds_its_data_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let port = TcpListener::bind("127.0.0.1:0").await.and_then(|l| l.local_addr()).expect("a port").port();
    let listen = format!("127.0.0.1:{port}");
    let dir = folder.path().join(".walcast");
    let mut seen = Vec::new();
    for start in ["first", "second"] {
        let (mut child, mut lines) = running(
            walcast()
                .args(["dev", "--log-format", "json", "--listen", &listen, "--postgres-port", "0", "--dir"])
                .arg(&dir),
        );
        let mut log = BufReader::new(child.stderr.take().expect("piped")).lines();
        let mut printed = Vec::new();
        loop {
            let line = within("the addresses", lines.next_line()).await.expect("reads").expect("a line");
            let done = line.contains("UPDATE components");
            printed.push(line);
            if done {
                break;
            }
        }
        while !within("readiness", log.next_line()).await.expect("reads").expect("a line").contains("\"to\":\"Ready\"")
        {
        }
        let field = |name: &str| {
            let line = printed.iter().find(|line| line.trim_start().starts_with(name)).expect(name);
            line.split_whitespace().nth(1).expect("a value").to_owned()
        };
        let (dsn, component) = (field("database"), field("component"));
        let doctor = ["doctor", "--slot", "walcast_dev_pgoutput", "--database-url", &dsn];
        let doctor = walcast().args(doctor).output().await.expect("runs");
        assert_eq!(String::from_utf8_lossy(&doctor.stdout), "all is well\n", "{doctor:?}");
        let (client, connection) = tokio_postgres::connect(&dsn, tokio_postgres::NoTls).await.expect("connects");
        tokio::spawn(connection);
        let name: String = client
            .query_one("SELECT name FROM components WHERE id = $1::text::uuid", &[&component])
            .await
            .expect("reads")
            .get(0);
        seen.push(name);
        client
            .execute("UPDATE components SET name = $2 WHERE id = $1::text::uuid", &[&component, &start])
            .await
            .expect("updates");
        assert!(field("token").split('.').count() == 3);
        assert_eq!(interrupt(child).await, Some(0));
        assert!(!dir.join("postgres/postmaster.pid").exists(), "Postgres still runs");
    }
    assert_eq!(seen, ["Saturday in the park", "first"]);
}

#[tokio::test]
async fn dev_drops_the_slot_of_the_plugin_it_no_longer_uses() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("dev");
    for (plugin, slots) in [("wal2json", "walcast_dev_wal2json"), ("pgoutput", "walcast_dev_pgoutput")] {
        let (child, mut lines) = running(
            walcast()
                .args(["dev", "--plugin", plugin, "--listen", "127.0.0.1:0", "--postgres-port", "0", "--dir"])
                .arg(&dir),
        );
        let mut dsn = None;
        while dsn.is_none() {
            let line = within("the database", lines.next_line()).await.expect("reads").expect("a line");
            dsn = line.trim().strip_prefix("database").map(|rest| rest.trim().to_owned());
        }
        let (client, connection) =
            tokio_postgres::connect(&dsn.expect("found"), tokio_postgres::NoTls).await.expect("connects");
        tokio::spawn(connection);
        let query =
            "SELECT string_agg(slot_name, ','), current_setting('max_slot_wal_keep_size') FROM pg_replication_slots";
        let row = client.query_one(query, &[]).await.expect("reads");
        assert_eq!((row.get::<_, &str>(0), row.get::<_, &str>(1)), (slots, "1GB"));
        assert_eq!(interrupt(child).await, Some(0));
    }
}

#[tokio::test]
async fn no_log_at_debug_holds_a_token() {
    let database = Database::new().await;
    let mut server = Server::start_with(&database, &["--log", "debug"]).await;
    let sockets = Sockets::start().await;
    for transport in ["websocket", "polling"] {
        let client = sockets.connect(&server, "ann", transport).await;
        client.subscribe(json!({ "componentId": "x" })).await;
    }
    let options =
        json!({ "transports": ["polling"], "extraHeaders": { "Authorization": format!("Bearer {}", token("bob")) } });
    sockets.try_connect(&server, options).await.expect("connects");
    assert_eq!(server.stop().await, Some(0));
    let log = server.log();
    assert!(log.iter().any(|line| line["level"] == "DEBUG"), "nothing is logged at debug");
    for user in ["ann", "bob"] {
        // Its signature is the token's last part, and in no other.
        let token = token(user);
        let signature = token.rsplit('.').next().expect("three parts");
        assert!(!log.iter().any(|line| line.to_string().contains(signature)), "a token is logged");
    }
}
