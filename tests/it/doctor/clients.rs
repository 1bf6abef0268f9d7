//! The role that sockets act as, and row-level security.

use super::{Healthy, as_walcast, doctor};

#[tokio::test]
async fn the_role_of_clients_can_do_too_much() {
    let healthy = Healthy::new().await;
    let name = "client_role";
    healthy.cluster.sql("CREATE ROLE high BYPASSRLS; CREATE ROLE owner; ALTER TABLE components OWNER TO owner").await;
    for (severity, breaking, words) in [
        ("error", "ALTER ROLE walcast_client SUPERUSER", "walcast_client is SUPERUSER"),
        ("error", "ALTER ROLE walcast_client BYPASSRLS", "walcast_client is BYPASSRLS"),
        ("error", "GRANT high TO walcast_client", "is a member of high, which is BYPASSRLS"),
        (
            "error",
            "ALTER TABLE components OWNER TO walcast_client",
            "owns, or is a member of who owns, public.components",
        ),
        ("warning", "ALTER ROLE walcast_client LOGIN", "can log in"),
    ] {
        healthy.breaks_and_mends(name, severity, breaking, &[words]).await;
    }
    healthy.cluster.sql("ALTER TABLE components OWNER TO owner; GRANT owner TO walcast_client").await;
    healthy.doctor().await.one(name, "error", &["member of who owns", "public.components"]);
}

const OWN: &str = "CREATE TABLE notes (id int PRIMARY KEY, owner text); ALTER TABLE notes REPLICA IDENTITY FULL;
    ALTER TABLE notes ENABLE ROW LEVEL SECURITY; GRANT SELECT ON notes TO walcast, walcast_client;
    CREATE POLICY own ON notes USING (owner = current_setting('request.jwt.claims', true)::json ->> 'userId');
    ALTER PUBLICATION walcast ADD TABLE notes";

#[tokio::test]
async fn row_security_that_nobody_can_pass_is_found() {
    let healthy = Healthy::new().await;
    healthy.cluster.sql(OWN).await;
    let report = healthy.doctor().await;
    assert_eq!((report.code, &report.findings), (Some(0), &Vec::new()), "row security that is obeyed is well");
    let name = "row_security";
    for (severity, breaking, words) in [
        ("error", "REVOKE walcast_client FROM walcast", "no member of walcast_client"),
        ("warning", "REVOKE SELECT ON notes FROM walcast_client", "may not SELECT public.notes"),
        ("warning", "ALTER TABLE notes REPLICA IDENTITY DEFAULT", "read more than the key"),
    ] {
        healthy.breaks_and_mends(name, severity, breaking, &[words]).await;
    }
    healthy.cluster.sql("DROP POLICY own ON notes").await;
    healthy.doctor().await.one(name, "warning", &["public.notes", "no policy lets role walcast_client see a row"]);
    let report = doctor(&as_walcast(&healthy.cluster), &["--client-role", "nobody_here"]).await;
    report.one(name, "error", &["role nobody_here", "is not there"]);

    // Of partitions that are told as their root's, nobody asks the policies.
    let parted = "CREATE TABLE parted (id int PRIMARY KEY) PARTITION BY RANGE (id); \
                  CREATE TABLE part PARTITION OF parted FOR VALUES FROM (0) TO (9); \
                  ALTER TABLE part ENABLE ROW LEVEL SECURITY; ALTER PUBLICATION walcast ADD TABLE parted";
    healthy.cluster.sql(parted).await;
    healthy.doctor().await.one(name, "warning", &["partitions of public.parted"]);
}

#[tokio::test]
async fn policies_whose_answers_cannot_be_kept_are_found() {
    let healthy = Healthy::new().await;
    healthy.cluster.sql(OWN).await;
    let name = "opaque_policies";
    let reads = "CREATE TABLE marks (id int PRIMARY KEY); GRANT SELECT ON marks TO walcast_client;
        CREATE FUNCTION may_see(int) RETURNS bool LANGUAGE plpgsql STABLE AS 'BEGIN RETURN true; END'";
    healthy.cluster.sql(reads).await;
    for (condition, words) in [
        ("may_see(id)", "calls public.may_see(integer), which may read anything"),
        ("now() > '2020-01-01'", "calls now(), which changes by itself"),
        ("CURRENT_DATE > '2020-01-01'", "changes with time"),
        (
            "EXISTS (SELECT FROM marks m WHERE m.id = notes.id)",
            "reads public.marks, whose changes are not published in full",
        ),
        ("notes::text <> ''", "reads a whole row"),
    ] {
        healthy.cluster.sql(&format!("ALTER POLICY own ON notes USING ({condition})")).await;
        healthy.doctor().await.one(name, "warning", &["public.notes", words]);
    }
    healthy.cluster.sql("ALTER POLICY own ON notes USING (owner = 'ann')").await;
    assert!(healthy.doctor().await.named(name).is_empty());
}
