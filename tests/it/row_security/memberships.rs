use std::time::{Duration, Instant};

use super::{MEMBERS, Office};
use crate::support::plugins;

#[tokio::test]
async fn matrix_a_membership_that_ends_takes_its_rows_along_before_anything_later() {
    for plugin in plugins() {
        let office = Office::with(MEMBERS, &plugin.to_string(), &[]).await;
        office.sql("INSERT INTO docs VALUES (1, 'x', 7), (2, 'x', 8)").await;
        office.sql("INSERT INTO members VALUES (7, 'ann', 'all'), (7, 'bob', 'all'), (8, 'ann', 'all')").await;
        let (mut ann, mut bob) = (office.connect("ann").await, office.connect("bob").await);
        office.follow(&ann, 1).await;
        office.follow(&ann, 2).await;
        office.follow(&bob, 1).await;
        office.sql("DELETE FROM members WHERE member = 'ann' AND org = 7; UPDATE docs SET title = 'later'").await;
        let later = |id| format!("doc:updated {id} {{\"title\":\"later\"}}");
        assert_eq!(office.told(&mut ann).await, ["doc:deleted 1 no longer visible".to_owned(), later(2)]);
        assert_eq!(office.told(&mut bob).await, [later(1)]);
        // Another way to lose it.
        office.sql("UPDATE members SET level = 'none' WHERE org = 8").await;
        office.sql("UPDATE docs SET title = 'last'").await;
        assert_eq!(office.told(&mut ann).await, ["doc:deleted 2 no longer visible"]);
    }
}

#[tokio::test]
async fn who_reads_a_page_is_told_to_fetch_it_when_what_they_may_see_is_another() {
    let office = Office::new(MEMBERS).await;
    office.sql("INSERT INTO docs VALUES (1, 'x', 7)").await;
    let (mut ann, mut bob) = (office.reader("ann").await, office.reader("bob").await);
    office.sql("UPDATE docs SET title = 'a'").await;
    assert_eq!(office.told(&mut ann).await, [] as [&str; 0]);
    office.sql("INSERT INTO members VALUES (7, 'ann', 'all')").await;
    office.sql("UPDATE docs SET title = 'b'").await;
    assert_eq!(office.told(&mut ann).await, ["doc:resync 1 visibility", r#"doc:updated 1 {"title":"b"}"#]);
    office.sql("DELETE FROM members").await;
    office.sql("UPDATE docs SET title = 'c'").await;
    assert_eq!(office.told(&mut ann).await, ["doc:resync 1 visibility"]);
    assert_eq!(office.told(&mut bob).await, [] as [&str; 0], "it was nothing to him");
}

/// How many rows were lost.
fn gone(told: &[String]) -> usize {
    told.iter().filter(|line| line.ends_with("no longer visible")).count()
}

#[tokio::test]
async fn a_membership_asks_again_only_for_whom_it_concerns() {
    let office = Office::new(&format!("ALTER TABLE members ADD note text; {MEMBERS}")).await;
    office.sql("INSERT INTO docs SELECT n, 'x', 7 FROM generate_series(1, 20) n").await;
    office.sql("INSERT INTO members SELECT 7, 'user ' || n, 'all' FROM generate_series(1, 10) n").await;
    let mut clients = Vec::new();
    for user in 1..=10 {
        let client = office.connect(&format!("user {user}")).await;
        for id in 1..=20 {
            office.follow(&client, id).await;
        }
        clients.push(client);
    }
    office.sql("UPDATE docs SET title = 'a'").await;
    assert_eq!(office.told(&mut clients[0]).await.len(), 20);
    // Once for each, what their claims say that memberships are about.
    office.sql("DELETE FROM members WHERE member = 'user 9'").await;
    assert_eq!(gone(&office.told(&mut clients[8]).await), 20);
    // With the first change of a table that it reads all is asked once more.
    office.sql("UPDATE docs SET title = 'c'").await;
    office.told(&mut clients[0]).await;
    let before = office.questions().await;
    office.sql("DELETE FROM members WHERE member = 'user 10'").await;
    assert_eq!(gone(&office.told(&mut clients[9]).await), 20);
    let asked = office.questions().await - before;
    assert_eq!(asked, 20.0, "one for each row that the member follows");
    // What a policy does not read of a membership, or who has no rows here, asks nobody.
    office.sql("UPDATE members SET note = 'x' WHERE member = 'user 1'").await;
    office.sql("INSERT INTO members VALUES (9, 'stranger', 'all')").await;
    office.sql("UPDATE docs SET title = 'b'").await;
    assert_eq!(office.told(&mut clients[0]).await.len(), 20);
    assert_eq!(office.questions().await - before, asked);
}

#[tokio::test]
async fn a_revocation_is_told_within_a_second() {
    let office = Office::new(MEMBERS).await;
    office.sql("INSERT INTO docs VALUES (1, 'x', 7); INSERT INTO members VALUES (7, 'ann', 'all')").await;
    let mut ann = office.connect("ann").await;
    office.follow(&ann, 1).await;
    office.sql("DELETE FROM members").await;
    let committed = Instant::now();
    let payload = ann.expect("doc:deleted").await;
    assert_eq!(payload["reason"], "no longer visible");
    // The promise of docs/row-security.md, which is no figure of speed.
    assert!(committed.elapsed() < Duration::from_secs(1), "{:?}", committed.elapsed());
}

#[tokio::test]
async fn a_membership_that_ended_while_its_member_was_away_is_over() {
    let office = Office::new(MEMBERS).await;
    office.sql("INSERT INTO docs VALUES (1, 'x', 7); INSERT INTO members VALUES (7, 'ann', 'all')").await;
    let mut ann = office.reader("ann").await;
    office.told(&mut ann).await;
    office.sql("UPDATE docs SET title = 'a'").await;
    assert_eq!(office.told(&mut ann).await, [r#"doc:updated 1 {"title":"a"}"#]);
    ann.disconnect().await;
    office.sql("DELETE FROM members").await;
    // With the same token, and in a room that is open to all.
    let mut again = office.reader("ann").await;
    office.told(&mut again).await;
    office.sql("UPDATE docs SET title = 'secret'").await;
    assert_eq!(office.told(&mut again).await, [] as [&str; 0]);
}

#[tokio::test]
async fn what_a_membership_is_compared_with_beside_its_member_counts() {
    let policies = "
        ALTER TABLE members ADD active bool DEFAULT true, ADD share numeric(10,2) DEFAULT 7;
        ALTER TABLE docs ENABLE ROW LEVEL SECURITY;
        CREATE POLICY org ON docs USING (EXISTS (SELECT FROM members m
            WHERE m.active = true AND m.share = 7 AND m.org = docs.org AND m.member = me()));";
    let office = Office::new(policies).await;
    office.sql("INSERT INTO docs VALUES (1, 'x', 7); INSERT INTO members VALUES (7, 'ann', 'all')").await;
    let mut ann = office.connect("ann").await;
    for revoke in ["active = false", "share = 8"] {
        office.sql("UPDATE members SET active = true, share = 7").await;
        office.told(&mut ann).await;
        office.follow(&ann, 1).await;
        office.sql(&format!("UPDATE members SET {revoke}")).await;
        office.sql("UPDATE docs SET title = 'secret'").await;
        assert_eq!(office.told(&mut ann).await, ["doc:deleted 1 no longer visible"], "{revoke}");
    }
}

#[tokio::test]
async fn a_membership_that_ends_with_its_transaction_ends_for_all_of_it() {
    let office = Office::new(MEMBERS).await;
    office.sql("INSERT INTO docs VALUES (1, 'x', 7); INSERT INTO members VALUES (7, 'ann', 'all')").await;
    let mut ann = office.reader("ann").await;
    office.told(&mut ann).await;
    // A server that has not seen the table of members yet looks at it in the middle of the transaction.
    office.sql("UPDATE docs SET title = 'secret'; DELETE FROM members").await;
    let told = office.told(&mut ann).await;
    assert!(!told.iter().any(|line| line.contains("secret")), "{told:?}");
}
