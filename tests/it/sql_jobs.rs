//! The scripts in `sql/jobs/`, run by psql as a DBA would.

use crate::support::{Cluster, Database, Server, psql, script, walcast, within};

/// Runs a script with variables; what it prints.
async fn runs(dsn: &str, job: &str, variables: &[&str]) -> String {
    match job_of(dsn, job, variables).await {
        Ok(printed) => printed,
        Err(said) => panic!("{job}: {said}"),
    }
}

/// The same; `Err` is what psql complained of.
async fn job_of(dsn: &str, job: &str, variables: &[&str]) -> Result<String, String> {
    let file = script(&format!("jobs/{job}"));
    let mut arguments = vec!["-A", "-t"];
    arguments.extend(variables.iter().flat_map(|variable| ["-v", variable]));
    arguments.extend(["-f", &file]);
    let output = psql(dsn, &arguments).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(String::from_utf8_lossy(&output.stdout).into_owned()) } else { Err(said) }
}

#[tokio::test]
async fn a_table_is_published_and_taken_off_again() {
    let database = Database::new().await;
    database
        .sql("CREATE PUBLICATION \"Odd\" FOR TABLE walcast.rules; CREATE TABLE \"My Orders\" (id int PRIMARY KEY)")
        .await;
    let variables = ["table=public.\"My Orders\"", "publication=Odd"];
    runs(&database.dsn(), "publish_table", &variables).await;
    let published =
        "SELECT string_agg(tablename, ',' ORDER BY tablename) FROM pg_publication_tables WHERE pubname = 'Odd'";
    assert_eq!(database.value::<String>(published).await, "My Orders,rules");
    let identity = "SELECT relreplident::text FROM pg_class WHERE relname = 'My Orders'";
    assert_eq!(database.value::<String>(identity).await, "f");
    let said = job_of(&database.dsn(), "publish_table", &variables).await.expect_err("it is published");
    assert!(said.contains("already member"), "{said}");

    database.sql("SELECT walcast.broadcast_table('\"My Orders\"', prefix => 'order')").await;
    assert_eq!(runs(&database.dsn(), "unpublish_table", &variables).await, "t\n");
    assert_eq!(database.value::<String>(published).await, "rules");
    assert_eq!(database.value::<i64>("SELECT count(*) FROM walcast.rules WHERE prefix = 'order'").await, 0);
}

#[tokio::test]
async fn the_slot_is_dropped_once_nobody_reads_it() {
    let database = Database::new().await;
    let mut server = Server::start(&database).await;
    let slot = format!("slot={}", database.name);
    let said = job_of(&database.dsn(), "drop_slot", &[&slot]).await.expect_err("it is read");
    assert!(said.contains("is active for PID"), "{said}");
    assert_eq!(server.stop().await, Some(0));
    // Postgres notices a moment later that its reader is gone.
    let dropped = within("the slot's end", async {
        loop {
            if let Ok(printed) = job_of(&database.dsn(), "drop_slot", &[&slot]).await {
                break printed;
            }
        }
    })
    .await;
    assert!(dropped.starts_with(&database.name), "{dropped}");
    let left = "SELECT count(*) FROM pg_replication_slots WHERE slot_name = current_database()";
    assert_eq!(database.value::<i64>(left).await, 0);
    assert_eq!(runs(&database.dsn(), "drop_slot", &[&slot]).await, "", "there is nothing to drop");
}

#[tokio::test]
async fn another_primary_is_looked_over_before_walcast_moves_there() {
    let cluster = Cluster::start(&[]).await;
    let dsn = cluster.dsn_text("");
    let output = walcast().args(["migrate", "--database-url", &dsn]).output().await.expect("runs");
    assert!(output.status.success(), "{output:?}");
    let printed = runs(&dsn, "move_to_primary", &[]).await;
    assert!(printed.contains("the publication is there|f|sql/publication.sql|f"), "{printed}");
    cluster.sql("CREATE PUBLICATION walcast FOR TABLE walcast.rules").await;
    let printed = runs(&dsn, "move_to_primary", &[]).await;
    assert!(printed.lines().count() == 4 && printed.lines().all(|line| line.ends_with("|t||t")), "{printed}");
    // One that was made by hand is none that came over.
    cluster.sql("SELECT pg_create_logical_replication_slot('walcast', 'pgoutput')").await;
    let printed = runs(&dsn, "move_to_primary", &[]).await;
    assert!(printed.contains("walcast will make it|f|drop it"), "{printed}");
}

#[tokio::test]
async fn lag_is_shown_once_or_again_and_again() {
    let database = Database::new().await;
    let _server = Server::start(&database).await;
    let printed = runs(&database.dsn(), "watch_lag", &[]).await;
    let fields: Vec<&str> = printed.trim().split('|').collect();
    assert_eq!(
        (fields[1], fields[2], fields[3], fields.len()),
        (database.name.as_str(), "active", "reserved", 8),
        "{printed}"
    );
    // Again and again, until whoever reads it goes.
    let file = script("jobs/watch_lag");
    let dsn = database.dsn();
    let watched = async {
        use tokio::io::{AsyncBufReadExt, BufReader};
        let bin = std::env::var("PG_BIN").map_or_else(|_| "psql".to_owned(), |bin| format!("{bin}/psql"));
        let mut child = tokio::process::Command::new(bin)
            .args(["-X", "-q", "-A", "-t", "-v", "every=0.1", "-f", &file, "-d", &dsn])
            .stdout(std::process::Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("spawns");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut seen = 0;
        while seen < 2 {
            let line = lines.next_line().await.expect("reads").expect("a line");
            seen += usize::from(line.contains("|active|"));
        }
    };
    within("the second look", watched).await;
}
