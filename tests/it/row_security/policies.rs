use super::{Office, token_with};
use serde_json::json;

const ON: &str = "ALTER TABLE docs ENABLE ROW LEVEL SECURITY;";

#[tokio::test]
async fn a_role_in_the_claims_decides() {
    let policy =
        "CREATE POLICY staff ON docs USING (current_setting('request.jwt.claims', true)::json ->> 'role' = 'staff');";
    let office = Office::new(&format!("{ON} {policy}")).await;
    let connect = |role| {
        let auth = json!({ "token": token_with("ann", role, None) });
        office.sockets.try_connect(&office.server, json!({ "transports": ["websocket"], "auth": auth }))
    };
    let (mut staff, mut guest) = (connect("staff").await.expect("connects"), connect("guest").await.expect("connects"));
    office.follow_page(&staff).await;
    office.follow_page(&guest).await;
    office.sql("INSERT INTO docs (id, title) VALUES (1, 'a')").await;
    assert_eq!(office.told(&mut staff).await, ["doc:created 1 a"]);
    assert_eq!(office.told(&mut guest).await, [] as [&str; 0]);
}

#[tokio::test]
async fn another_token_is_asked_for_anew() {
    let policy =
        "CREATE POLICY staff ON docs USING (current_setting('request.jwt.claims', true)::json ->> 'role' = 'staff');";
    let office = Office::new(&format!("{ON} {policy} INSERT INTO docs (id, title) VALUES (1, 'a')")).await;
    let auth = json!({ "token": token_with("ann", "staff", None) });
    let options = json!({ "transports": ["websocket"], "auth": auth });
    let mut ann = office.sockets.try_connect(&office.server, options).await.expect("connects");
    office.follow(&ann, 1).await;
    office.follow_page(&ann).await;
    // The same but for its age: nothing happens.
    let later = Some(4_000_000_000);
    ann.request("auth:refresh", json!({ "token": token_with("ann", "staff", later) })).await;
    office.sql("UPDATE docs SET title = 'b'").await;
    assert_eq!(office.told(&mut ann).await, [r#"doc:updated 1 {"title":"b"}"#]);
    ann.request("auth:refresh", json!({ "token": token_with("ann", "guest", later) })).await;
    office.sql("UPDATE docs SET title = 'c'").await;
    let mut told = office.told(&mut ann).await;
    told.sort();
    assert_eq!(told, ["doc:deleted 1 no longer visible", "doc:resync 1 visibility"]);
}

#[tokio::test]
async fn restrictive_policies_restrict() {
    let policies = "CREATE POLICY own ON docs USING (owner = me()); CREATE POLICY org ON docs USING (org = 7);
                    CREATE POLICY titled ON docs AS RESTRICTIVE USING (title IS NOT NULL);
                    CREATE POLICY others ON docs FOR UPDATE USING (true); CREATE POLICY alien ON docs TO pg_monitor USING (true);";
    let office = Office::new(&format!("{ON} {policies}")).await;
    let mut ann = office.reader("ann").await;
    office
        .sql("INSERT INTO docs (id, owner, org, title) VALUES (1, 'ann', 1, 'a'), (2, 'bob', 7, 'b'), (3, 'bob', 1, 'c'), (4, 'ann', 7, NULL)")
        .await;
    assert_eq!(office.told(&mut ann).await, ["doc:created 1 a", "doc:created 2 b"]);
}

#[tokio::test]
async fn a_function_whose_reads_cannot_be_seen_is_asked_each_time() {
    let policies = "CREATE TABLE hidden (id int PRIMARY KEY);
        CREATE FUNCTION may_see(doc int) RETURNS bool LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public AS
            $$ BEGIN RETURN NOT EXISTS (SELECT FROM hidden WHERE id = doc); END $$;
        CREATE POLICY asks ON docs USING (may_see(id));";
    let office = Office::new(&format!("{ON} {policies}")).await;
    let mut ann = office.reader("ann").await;
    office.sql("INSERT INTO docs (id, title) VALUES (1, 'a')").await;
    assert_eq!(office.told(&mut ann).await, ["doc:created 1 a"]);
    office.sql("INSERT INTO hidden VALUES (1)").await;
    office.sql("UPDATE docs SET title = 'b'").await;
    assert_eq!(office.told(&mut ann).await, ["doc:deleted 1 no longer visible"]);
    office.sql("UPDATE docs SET title = 'still hidden'").await;
    assert_eq!(office.told(&mut ann).await, [] as [&str; 0]);
    office.sql("DELETE FROM hidden; UPDATE docs SET title = 'c'").await;
    assert_eq!(office.told(&mut ann).await, ["doc:created 1 c"]);
}

#[tokio::test]
async fn what_changes_with_time_is_asked_each_time() {
    let policy =
        "ALTER TABLE docs ADD until timestamptz; CREATE POLICY current ON docs USING (until > clock_timestamp());";
    let office = Office::new(&format!("{ON} {policy}")).await;
    let mut ann = office.connect("ann").await;
    office.sql("INSERT INTO docs (id, title, until) VALUES (1, 'a', now() + interval '2 s'), (2, 'b', now() + interval '1 h')").await;
    office.told(&mut ann).await;
    office.follow(&ann, 1).await;
    office.follow(&ann, 2).await;
    office.sql("SELECT pg_sleep_until(until) FROM docs WHERE id = 1").await;
    office.sql("UPDATE docs SET title = 'c'").await;
    let told = office.told(&mut ann).await;
    assert_eq!(told, ["doc:deleted 1 no longer visible", r#"doc:updated 2 {"title":"c"}"#]);
}

#[tokio::test]
async fn rows_that_others_of_their_table_decide_about_follow_those() {
    // A row is visible where the one that it names has an owner's mark.
    let policy =
        "CREATE FUNCTION owned(doc int) RETURNS bool LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS
            $$ SELECT EXISTS (SELECT FROM docs d WHERE d.id = doc AND d.owner = me()) $$;
        CREATE POLICY through ON docs USING (owner = me() OR owned(org));";
    let office = Office::new(&format!("{ON} {policy}")).await;
    office.sql("INSERT INTO docs (id, owner, org, title) VALUES (1, 'ann', NULL, 'top'), (2, 'x', 1, 'below')").await;
    let mut ann = office.connect("ann").await;
    office.follow(&ann, 2).await;
    office.sql("UPDATE docs SET owner = 'bob' WHERE id = 1").await;
    office.sql("UPDATE docs SET title = 'unseen' WHERE id = 2").await;
    assert_eq!(office.told(&mut ann).await, ["doc:deleted 2 no longer visible"]);
}

#[tokio::test]
async fn the_owner_and_bypassing_roles_see_all_unless_forced() {
    let owner = "ALTER TABLE docs OWNER TO CLIENT;";
    let office = Office::new(&format!("{ON} CREATE POLICY own ON docs USING (owner = me()); {owner}")).await;
    let mut ann = office.reader("ann").await;
    office.sql("INSERT INTO docs (id, owner, title) VALUES (1, 'bob', 'a')").await;
    assert_eq!(office.told(&mut ann).await, ["doc:created 1 a"]);
    office.sql("ALTER TABLE docs FORCE ROW LEVEL SECURITY").await;
    office.sql("INSERT INTO docs (id, owner, title) VALUES (2, 'bob', 'b'), (3, 'ann', 'c')").await;
    let told = office.told(&mut ann).await;
    assert_eq!(told.last().map(String::as_str), Some("doc:created 3 c"), "{told:?}");
    assert!(!told.iter().any(|line| line.ends_with(" b")), "{told:?}");
}
