//! What `walcast doctor` finds: every check is shown a database that it finds well, and one that was broken for it. Where the
//! remedy is SQL, it is run, and the finding is gone.

mod clients;
mod published;
mod server;
mod slot;

use serde_json::{Value, json};

use crate::support::{Cluster, Server, plugins, psql, script, walcast};

/// A cluster set up by the README, on which all is well: the server logs in as role walcast, and streams.
struct Healthy {
    cluster: Cluster,
    server: Server,
}

const BOUND: &str = "max_slot_wal_keep_size = '1GB'";

impl Healthy {
    async fn new() -> Healthy {
        Healthy::with(&[], &[]).await
    }

    /// With more settings of Postgres, and arguments of the server.
    async fn with(settings: &[&str], arguments: &[&str]) -> Healthy {
        let cluster = Cluster::start(&[&[BOUND], settings].concat()).await;
        set_up(&cluster).await;
        let server = Server::start_on(&as_walcast(&cluster), "walcast", arguments).await;
        Healthy { cluster, server }
    }

    async fn doctor(&self) -> Report {
        doctor(&as_walcast(&self.cluster), &[]).await
    }

    /// Breaks something, sees that it is found, runs the remedy as a superuser, and sees that it is found no more.
    async fn breaks_and_mends(&self, name: &str, severity: &str, breaking: &str, words: &[&str]) {
        self.cluster.sql(breaking).await;
        let report = self.doctor().await;
        let finding = report.one(name, severity, words);
        self.cluster.sql(finding["remedy"].as_str().expect("a text")).await;
        let report = self.doctor().await;
        assert!(report.named(name).is_empty(), "{breaking}: {finding} was not mended: {report:?}");
    }
}

async fn set_up(cluster: &Cluster) {
    let owner = cluster.dsn_text("");
    let output = walcast().args(["migrate", "--database-url", &owner]).output().await.expect("runs");
    assert!(output.status.success(), "{output:?}");
    for arguments in [
        &["-f", &script("publication")][..],
        &["-v", "password='it''s'", "-f", &script("roles")],
        &["-c", "GRANT SELECT, INSERT, UPDATE, DELETE ON components TO walcast"],
    ] {
        let output = psql(&owner, arguments).await;
        assert!(output.status.success(), "{output:?}");
    }
}

fn as_walcast(cluster: &Cluster) -> String {
    cluster.dsn_text("user=walcast")
}

/// What the doctor said.
#[derive(Debug)]
struct Report {
    code: Option<i32>,
    findings: Vec<Value>,
}

async fn doctor(dsn: &str, arguments: &[&str]) -> Report {
    let output =
        walcast().args(["doctor", "--json", "--database-url", dsn]).args(arguments).output().await.expect("runs");
    let said = String::from_utf8_lossy(&output.stdout);
    let told: Value = serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let findings = told["findings"].as_array().expect("an array").clone();
    let has_error = findings.iter().any(|finding| finding["severity"] == "error");
    assert_eq!(told["ok"], json!(!has_error), "{told}");
    assert_eq!(output.status.code(), Some(i32::from(has_error)), "{told}");
    for text in findings.iter().flat_map(|finding| ["name", "what", "why", "remedy"].map(|field| &finding[field])) {
        assert!(text.as_str().is_some_and(|text| !text.is_empty()), "{told}");
    }
    Report { code: output.status.code(), findings }
}

impl Report {
    fn named(&self, name: &str) -> Vec<&Value> {
        self.findings.iter().filter(|finding| finding["name"] == name).collect()
    }

    /// The only finding of that name and severity that says all these words.
    fn one(&self, name: &str, severity: &str, words: &[&str]) -> &Value {
        let says = |finding: &&Value| {
            let said = ["what", "why", "remedy"].map(|field| finding[field].as_str().unwrap_or_default()).join(" ");
            finding["severity"] == severity && words.iter().all(|word| said.contains(word))
        };
        let found: Vec<_> = self.named(name).into_iter().filter(says).collect();
        assert_eq!(found.len(), 1, "{name} {severity} {words:?} in {self:?}");
        found[0]
    }
}

#[tokio::test]
async fn a_database_set_up_by_the_readme_is_well_under_each_plugin() {
    for plugin in plugins() {
        let plugin = plugin.to_string();
        let healthy = Healthy::with(&[], &["--plugin", &plugin]).await;
        let report = doctor(&as_walcast(&healthy.cluster), &["--plugin", &plugin]).await;
        assert_eq!((report.code, &report.findings), (Some(0), &Vec::new()));
        let output = walcast()
            .args(["doctor", "--plugin", &plugin, "--database-url", &as_walcast(&healthy.cluster)])
            .output()
            .await
            .expect("runs");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "all is well\n");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    }
}

#[tokio::test]
async fn matrix_all_is_well_and_a_breach_is_found_in_every_version() {
    let cluster = Cluster::start(&[BOUND]).await;
    let dsn = cluster.dsn_text("");
    let _server = Server::start_on(&dsn, "walcast", &["--migrate"]).await;
    let report = doctor(&dsn, &[]).await;
    assert_eq!((report.code, &report.findings), (Some(0), &Vec::new()));
    let shown = "SELECT string_agg(name || ' ' || state, ', ' ORDER BY name) FROM walcast.status";
    assert_eq!(cluster.value(shown).await.as_deref(), Some("public.components published, walcast active"));
    cluster.sql("ALTER TABLE components REPLICA IDENTITY NOTHING, ENABLE ROW LEVEL SECURITY").await;
    let report = doctor(&dsn, &[]).await;
    report.one("replica_identity", "error", &["public.components is NOTHING"]);
    report.one("row_security", "error", &["public.components", "role walcast_client", "is not there"]);
}

#[tokio::test]
async fn the_worst_is_told_first_and_no_secret_is() {
    let cluster = Cluster::start(&[]).await;
    set_up(&cluster).await;
    cluster.sql("CREATE TABLE plain (id int PRIMARY KEY); ALTER TABLE plain REPLICA IDENTITY NOTHING").await;
    cluster.sql("ALTER PUBLICATION walcast ADD TABLE plain").await;
    let secret = "correct-horse-battery-staple";
    let dsn = format!("{} password={secret}", as_walcast(&cluster));
    let output = walcast().args(["doctor", "--log", "trace", "--database-url", &dsn]).output().await.expect("runs");
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let severities: Vec<&str> = told
        .lines()
        .filter_map(|line| line.split_once(" (").map(|(word, _)| word))
        .filter(|word| ["error", "warning", "note"].contains(word))
        .collect();
    assert_eq!(severities, ["error", "warning", "warning", "note"], "{told}");
    assert!(
        told.contains("error (replica_identity): the replica identity of public.plain is NOTHING\n  why:  "),
        "{told}"
    );
    assert!(told.contains("\n  mend: ALTER TABLE \"public\".\"plain\" REPLICA IDENTITY FULL;\n"), "{told}");
    assert!(told.ends_with("errors: 1, warnings: 2, notes: 1\n"), "{told}");

    let json = walcast().args(["doctor", "--json", "--database-url", &dsn]).output().await.expect("runs");
    let nowhere = format!("host=127.0.0.1 port=1 user=walcast dbname=shop password={secret}");
    let refused = walcast().args(["doctor", "--database-url", &nowhere]).output().await.expect("runs");
    for said in [&output, &json, &refused].into_iter().flat_map(|output| [&output.stdout, &output.stderr]) {
        assert!(!String::from_utf8_lossy(said).contains(secret));
    }
}

#[tokio::test]
async fn a_database_that_cannot_be_asked_is_no_finding() {
    let cluster = Cluster::start(&[]).await;
    for (dsn, words) in [
        (cluster.dsn_text("dbname=shop"), "database \"shop\" does not exist"),
        ("host=127.0.0.1 port=1 user=walcast dbname=shop".to_owned(), "cannot be reached"),
        (String::new(), "DATABASE_URL is not set"),
    ] {
        let output = walcast().args(["doctor", "--json", "--database-url", &dsn]).output().await.expect("runs");
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.starts_with("walcast: ") && said.contains(words), "{said}");
    }
}
