//! The primary fails over to its standby, which from Postgres 17 on keeps a copy of the slot: the same history goes on there
//! and nothing is lost. A standby that did not have everything is told as a new history.

use walcast::{
    change::Commit,
    postgres::Dsn,
    replication::{Fresh, Plugin, Settings},
};

use crate::support::{Cluster, Reader, inserted};

/// Primary, standby with a copy of the slot, and a reader that goes where one may write.
struct Pair {
    primary: Cluster,
    standby: Cluster,
    reader: Reader,
}

impl Pair {
    /// `None` where the server knows no slots for a failover.
    async fn start() -> Option<Pair> {
        let mut primary = Cluster::start_with(&[], "local replication all trust", |_| {}).await;
        let able = "SELECT current_setting('server_version_num')::int >= 170000";
        if primary.value(able).await.as_deref() != Some("t") {
            return None;
        }
        primary.sql("CREATE TABLE t (id int PRIMARY KEY, name text); CREATE PUBLICATION walcast FOR TABLE t").await;
        primary.back_up().await;
        let standby = primary.standby().await;
        let hosts: Vec<_> = [&primary, &standby].map(|cluster| cluster.data()).to_vec();
        let hosts: Vec<_> = hosts.iter().filter_map(|data| data.parent()?.to_str()).collect();
        let dsn = format!(
            "host={} port={},{} user=postgres dbname=postgres target_session_attrs=read-write",
            hosts.join(","),
            primary.port,
            standby.port
        );
        let settings = Settings {
            dsn: Dsn::parse(&dsn).expect("a DSN"),
            replay_bytes: 16 << 20,
            ..primary.settings(Plugin::PgOutput)
        };
        let (reader, _) = Reader::connected(settings).await;
        assert_eq!(
            primary.value("SELECT failover FROM pg_replication_slots WHERE slot_name = 'walcast'").await.as_deref(),
            Some("t")
        );
        Some(Pair { primary, standby, reader })
    }

    /// Writes a row; once it has come it is handed on, and kept with all from `kept` on.
    async fn row(&mut self, id: u32, kept: Option<Commit>) -> Commit {
        self.primary.sql(&format!("INSERT INTO t VALUES ({id}, 'a')")).await;
        let (_, commit) = self.reader.transaction().await;
        self.reader.progress.keep_from(Some(kept.unwrap_or(commit).commit_lsn));
        self.reader.progress.handed_on(commit.end_lsn);
        commit
    }

    /// Keeps nothing any more, and waits until the standby too has the slot behind `commit`.
    async fn synchronized(&self, commit: Commit) {
        self.reader.progress.keep_from(None);
        let at = commit.end_lsn;
        self.primary
            .until(&format!(
                "SELECT confirmed_flush_lsn >= '{at}' FROM pg_replication_slots WHERE slot_name = 'walcast'"
            ))
            .await;
        // Without running transactions logged the copy finds no place to begin.
        self.primary.sql("SELECT pg_log_standby_snapshot()").await;
        let copied = format!("synced AND NOT temporary AND confirmed_flush_lsn >= '{at}'");
        self.standby
            .until(&format!(
                "SELECT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = 'walcast' AND {copied})"
            ))
            .await;
    }
}

#[tokio::test]
async fn matrix_nothing_is_lost() {
    let Some(mut pair) = Pair::start().await else { return };
    let first = pair.row(1, None).await;
    pair.synchronized(first).await;
    let kept = pair.row(2, None).await;
    pair.row(3, Some(kept)).await;
    let end = pair.primary.lsn("SELECT pg_current_wal_flush_lsn()").await;
    pair.standby.until(&format!("SELECT pg_last_wal_replay_lsn() >= '{end}'")).await;
    pair.primary.crash();
    pair.standby.promote();
    let connected = pair.reader.next_connected().await;
    assert_eq!(connected.fresh, None, "the same history goes on");
    pair.standby.sql("INSERT INTO t VALUES (4, 'a')").await;
    let mut ids = Vec::new();
    while ids.last().is_none_or(|id| id != "4") {
        let (entries, _) = pair.reader.transaction().await;
        ids.extend(inserted(&entries).iter().filter_map(|(id, _)| id.text().map(str::to_owned)));
    }
    assert!(ids.ends_with(&["2".to_owned(), "3".to_owned(), "4".to_owned()]), "{ids:?}");
    pair.reader.stop().await.expect("stops");
}

#[tokio::test]
async fn matrix_to_a_standby_that_was_behind() {
    let Some(mut pair) = Pair::start().await else { return };
    let first = pair.row(1, None).await;
    pair.synchronized(first).await;
    assert!(pair.standby.stop_fast(20).await);
    let lost = pair.row(2, None).await;
    pair.primary.crash();
    pair.standby.start_again().await;
    pair.standby.promote();
    // More than the old primary had.
    pair.standby.sql("INSERT INTO t SELECT generate_series(3, 1000), 'new'").await;
    let fresh = loop {
        if let Some(fresh) = pair.reader.next_connected().await.fresh {
            break fresh;
        }
    };
    assert!(matches!(fresh, Fresh::WentBack { read } if read >= lost.end_lsn), "{fresh:?}");
    assert_eq!(inserted(&pair.reader.transaction().await.0).len(), 998);
    pair.reader.stop().await.expect("stops");
}
