//! Who may call what of schema walcast: every function there is, so that a new one which forgets it is found.

use tokio_postgres::{Client, NoTls, Row};

use crate::support::{Cluster, script, walcast};

/// What each function is, as the catalog has it.
const FUNCTIONS: &str = "
    SELECT p.oid::regprocedure::text AS name, p.prosecdef AS is_definer, p.proowner::regrole::text AS owner,
           coalesce(array_to_string(p.proconfig, ','), '') AS config, obj_description(p.oid, 'pg_proc') AS comment,
           EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a WHERE a.grantee = 0) AS is_public,
           has_function_privilege('walcast', p.oid, 'EXECUTE') AS by_server,
           has_function_privilege('stranger', p.oid, 'EXECUTE') AS by_stranger,
           has_function_privilege('walcast_client', p.oid, 'EXECUTE') AS by_client
      FROM pg_proc p WHERE p.pronamespace = 'walcast'::regnamespace ORDER BY 1";

/// What the server calls as its own role. All others are a DBA's, or a trigger's.
const OF_THE_SERVER: [&str; 7] = [
    "walcast.broadcast(text,text,jsonb)",
    "walcast.nested_create(text,text,jsonb,text,text)",
    "walcast.nested_delete(text,text,text,text,bigint,text)",
    "walcast.nested_document(jsonb,text,text,text,text,jsonb)",
    "walcast.nested_update(text,text,text,jsonb,text,bigint,text)",
    "walcast.nested_write(text,text,text,text,jsonb,text,bigint,text)",
    "walcast.set_actor(text,text)",
];

/// What sockets call as the role of theirs, on guarded tables: with no privilege that it has not on the table itself.
fn is_of_the_client(name: &str) -> bool {
    name.starts_with("walcast.nested_")
}

const OF_A_DBA: [(&str, &str); 4] = [
    ("walcast.bump_version()", "SELECT walcast.bump_version()"),
    ("walcast.keep_version(regclass,text,text)", "SELECT walcast.keep_version('victims', 'v')"),
    ("walcast.unbroadcast_table(regclass)", "SELECT walcast.unbroadcast_table('components'::regclass)"),
    ("walcast.unbroadcast_table(text,text)", "SELECT walcast.unbroadcast_table('public', 'components')"),
];

/// A cluster of its own, since roles are the whole cluster's, set up as the README says.
async fn cluster() -> Cluster {
    let cluster = Cluster::start(&[]).await;
    let output = walcast().args(["migrate", "--database-url", &cluster.dsn_text("")]).output().await.expect("runs");
    assert!(output.status.success(), "{output:?}");
    let output = crate::support::psql(&cluster.dsn_text(""), &["-v", "password='x'", "-f", &script("roles")]).await;
    assert!(output.status.success(), "{output:?}");
    cluster
        .sql("CREATE ROLE stranger LOGIN; CREATE TABLE victims (id int PRIMARY KEY, v int); GRANT ALL ON victims TO stranger")
        .await;
    cluster
}

async fn connect_as(cluster: &Cluster, role: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(&cluster.dsn_text(role), NoTls).await.expect("connects");
    tokio::spawn(connection);
    client
}

#[tokio::test]
async fn every_function_is_pinned_explained_and_callable_by_whom_it_is_for() {
    let cluster = cluster().await;
    let functions: Vec<Row> = cluster.connect("postgres").await.query(FUNCTIONS, &[]).await.expect("asks");
    assert!(functions.len() > OF_THE_SERVER.len() + OF_A_DBA.len(), "only {} functions", functions.len());
    let mut names = Vec::new();
    for function in &functions {
        let name: String = function.get("name");
        assert_eq!(function.get::<_, &str>("config"), "search_path=pg_catalog, pg_temp", "{name}: its search_path");
        let comment: Option<&str> = function.get("comment");
        assert!(comment.is_some_and(|comment| comment.len() > 20), "{name} says nothing of itself (COMMENT ON)");
        assert!(!function.get::<_, bool>("is_definer"), "{name} lends its owner's privileges");
        for who in ["is_public", "by_stranger"] {
            assert!(!function.get::<_, bool>(who), "{name}: {who}");
        }
        assert_eq!(function.get::<_, bool>("by_client"), is_of_the_client(&name), "{name}: by the role of sockets");
        assert_eq!(function.get::<_, bool>("by_server"), OF_THE_SERVER.contains(&name.as_str()), "{name}: by walcast");
        names.push(name);
    }
    for name in OF_THE_SERVER.iter().chain(OF_A_DBA.iter().map(|(name, _)| name)) {
        assert!(names.iter().any(|found| found == name), "{name} is not there any more");
    }
}

#[tokio::test]
async fn a_stranger_is_refused_whatever_it_calls() {
    let cluster = cluster().await;
    let stranger = connect_as(&cluster, "user=stranger").await;
    let calls = [
        "SELECT walcast.set_actor('eve')",
        "SELECT walcast.broadcast('user:bob', 'note')",
        "SELECT walcast.broadcast_table('components', prefix => 'x')",
        "SELECT walcast.nested_create('1', 'r', '{}')",
        "SELECT walcast.nested_document('[]', 'parts', 'update', 'r', 'n', '{}')",
        "SELECT * FROM walcast.rules",
        "SELECT * FROM walcast.sessions",
        "SELECT * FROM walcast.mutations",
        "SELECT * FROM walcast.status",
        "INSERT INTO walcast.rules (schema_name, table_name, prefix) VALUES ('public', 'victims', 'v')",
        "DELETE FROM walcast.slots",
    ];
    // Even where somebody let it look into the schema.
    for grant in ["", "GRANT USAGE ON SCHEMA walcast TO stranger"] {
        cluster.sql(grant).await;
        for call in calls.iter().copied().chain(OF_A_DBA.map(|(_, call)| call)) {
            let refusal = stranger.batch_execute(call).await.err().unwrap_or_else(|| panic!("{call} was carried out"));
            let code = refusal.code().map(|code| code.code().to_owned());
            assert_eq!(code.as_deref(), Some("42501"), "{call}: {refusal:?}");
        }
    }
}

/// What the server's role may, and may not do beside that.
#[tokio::test]
async fn the_servers_role_changes_no_rule_and_no_table() {
    let cluster = cluster().await;
    let server = connect_as(&cluster, "user=walcast password=x").await;
    server
        .batch_execute("SELECT walcast.set_actor('ann'); SELECT walcast.broadcast('user:ann', 'note')")
        .await
        .expect("it may");
    for call in [
        "UPDATE walcast.rules SET writable = ARRAY['id']",
        "INSERT INTO walcast.rules (schema_name, table_name, prefix) VALUES ('public', 'victims', 'v')",
        "DELETE FROM walcast.rules",
        "DELETE FROM walcast.applied_sql",
        "SELECT * FROM components",
        "UPDATE components SET name = 'x'",
        "SELECT * FROM victims",
        "SELECT walcast.broadcast_table('victims', prefix => 'x')",
        "CREATE TABLE walcast.mine ()",
        "CREATE OR REPLACE FUNCTION walcast.set_actor(actor text, socket text) RETURNS void LANGUAGE sql AS ''",
        "ALTER TABLE walcast.rules ADD COLUMN x int",
        "CREATE ROLE other",
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "SELECT pg_read_file('/etc/passwd')",
    ] {
        let refusal = server.batch_execute(call).await.err().unwrap_or_else(|| panic!("{call} was carried out"));
        assert_eq!(refusal.code().map(|code| code.code()), Some("42501"), "{call}: {refusal:?}");
    }
}
