//! A change that cannot be decoded or told stops nothing: who may have missed it is told to fetch again, what follows comes,
//! and the log says once what is wrong.

use serde_json::{Value, json};

use crate::support::{Client, Database, Server, Sockets};

/// `caf` and a byte that is no UTF-8: SQL_ASCII takes anything for a text.
const BAD: &str = r"E'caf\xe9'";

/// Who subscribes to a room of components and to a note, on a database that publishes both.
struct Scene {
    database: Database,
    server: Server,
    _sockets: Sockets,
    client: Client,
}

impl Scene {
    async fn new(database: Database, plugin: &str, setup: &str) -> Scene {
        database
            .sql(&format!(
                "CREATE TABLE notes (id int PRIMARY KEY, text text); ALTER TABLE notes REPLICA IDENTITY FULL; \
                 INSERT INTO notes VALUES (1, ''); {setup}; \
                 CREATE PUBLICATION p_{} FOR TABLES IN SCHEMA public, TABLE walcast.rules",
                database.name
            ))
            .await;
        let publication = format!("p_{}", database.name);
        let server = Server::start_with(&database, &["--plugin", plugin, "--publication", &publication]).await;
        let sockets = Sockets::start().await;
        let mut client = sockets.connect(&server, "reader", "websocket").await;
        client.catch_up(&database).await;
        let scene = Scene { database, server, _sockets: sockets, client };
        let ack = scene.client.request("notes:subscribe", json!({ "id": 1 })).await;
        assert_eq!(ack["ok"], true, "{ack}");
        scene
    }

    /// A change of another table, which must be the next thing to be heard.
    async fn other_tables_go_on(&mut self) {
        self.database.sql("UPDATE notes SET text = text || 'x' WHERE id = 1").await;
        self.client.expect("notes:updated").await;
    }

    async fn resync(&mut self, name: &str, ids: Value) {
        let mut payload = self.client.expect(name).await;
        let fields = payload.as_object_mut().expect("an object");
        assert!(fields.remove("offset").is_some() && fields.remove("timestamp").is_some());
        fields.remove("version");
        let mut expected = ids;
        expected["reason"] = json!("unreadable");
        assert_eq!(payload, expected);
    }

    fn logged(&self, text: &str) -> usize {
        let has = |line: &&Value| line["message"].as_str().is_some_and(|message| message.contains(text));
        self.server.log().iter().filter(has).count()
    }

    fn never_lost_the_stream(&self) {
        let lost = self.server.log().into_iter().find(|line| line["to"] == "Disconnected");
        assert_eq!(lost, None);
    }
}

async fn a_text_that_is_not_utf8(plugin: &str) {
    let database = Database::encoded("SQL_ASCII").await;
    let mut scene = Scene::new(database, plugin, "SELECT 1").await;
    let good = scene.database.component("good", "[]").await;
    let bad = scene.database.component("bad", "[]").await;
    scene.client.catch_up(&scene.database).await;
    scene.client.subscribe(json!({ "componentId": good })).await;

    scene.database.sql(&format!("UPDATE components SET name = {BAD} WHERE id = '{bad}'")).await;
    scene.resync("component:resync", json!({ "componentId": good })).await;
    scene.other_tables_go_on().await;
    scene.database.sql(&format!("UPDATE components SET name = 'better' WHERE id = '{good}'")).await;
    assert_eq!(scene.client.expect("component:updated").await["updates"]["name"], "better");

    // Many at once, and amid them a sound change, which is told before.
    let many = format!(
        "INSERT INTO components (entity_type, entity_id, type, name) SELECT 'x', 'x', 'x', {BAD} FROM generate_series(1, 1000)"
    );
    scene.database.sql(&format!("{many}; UPDATE components SET name = 'best' WHERE id = '{good}'; {many}")).await;
    assert_eq!(scene.client.expect("component:updated").await["updates"]["name"], "best");
    scene.resync("component:resync", json!({ "componentId": good })).await;
    scene.other_tables_go_on().await;

    // A message of somebody else is nothing to us.
    scene.database.sql("SELECT pg_logical_emit_message(true, E'p\\xe9', 'x')").await;
    scene.other_tables_go_on().await;

    // The old row of the change that mends it is the last to be unreadable.
    scene.client.subscribe(json!({ "componentId": bad })).await;
    scene.client.request("component:unsubscribe", json!({ "componentId": good })).await;
    scene.database.sql(&format!("UPDATE components SET name = 'mended' WHERE id = '{bad}'")).await;
    scene.resync("component:resync", json!({ "componentId": bad })).await;
    scene.database.sql(&format!("UPDATE components SET name = 'well' WHERE id = '{bad}'")).await;
    assert_eq!(scene.client.expect("component:updated").await["updates"]["name"], "well");

    let (_, _, metrics) = scene.server.get("/metrics", &[]).await;
    // The first, two thousand, and the one that mends.
    assert!(metrics.contains("walcast_poison_total{kind=\"unreadable\"} 2002"), "{metrics}");
    assert_eq!(scene.logged("(table public.components)"), 1, "one line for two thousand changes");
    scene.never_lost_the_stream();
}

#[tokio::test]
async fn a_text_that_is_not_utf8_is_passed_over_by_pgoutput() {
    a_text_that_is_not_utf8("pgoutput").await;
}

#[tokio::test]
async fn a_text_that_is_not_utf8_is_passed_over_by_wal2json() {
    a_text_that_is_not_utf8("wal2json").await;
}

#[tokio::test]
async fn names_that_are_not_utf8_are_passed_over() {
    let database = Database::encoded("SQL_ASCII").await;
    let mut scene = Scene::new(database, "pgoutput", "SELECT 1").await;
    let odd = r"quote_ident(convert_from('\x74e9', 'SQL_ASCII'))";
    let run = |statement: &str| format!("DO $$ BEGIN EXECUTE replace('{statement}', 'ODD', {odd}); END $$");
    // Nobody can follow a table of that name.
    scene.database.sql(&run("CREATE TABLE ODD (id int PRIMARY KEY)")).await;
    scene.database.sql(&run("INSERT INTO ODD VALUES (1)")).await;
    scene.other_tables_go_on().await;
    // A table is unreadable for as long as it has such a column.
    scene.database.sql(&run("ALTER TABLE notes ADD ODD int")).await;
    scene.database.sql("UPDATE notes SET text = 'lost'").await;
    scene.resync("notes:resync", json!({ "id": "1" })).await;
    scene.database.sql(&run("ALTER TABLE notes DROP ODD")).await;
    scene.other_tables_go_on().await;
    scene.never_lost_the_stream();
}

#[tokio::test]
async fn a_dropped_column_that_the_rule_names_is_told_until_the_rule_is_mended() {
    for plugin in ["pgoutput", "wal2json"] {
        let orders = "CREATE TABLE orders (id int PRIMARY KEY, kind text, page text, rev int, status text); \
                      ALTER TABLE orders REPLICA IDENTITY FULL; \
                      INSERT INTO orders SELECT n, 'page', '1' || n, 1, 'new' FROM generate_series(1, 2) n";
        let mut scene = Scene::new(Database::new().await, plugin, orders).await;
        let rule = "SELECT walcast.broadcast_table('orders', prefix => 'order', id => 'id', \
                    entity => ARRAY['kind', 'page']";
        scene.database.sql(&format!("{rule}, version => 'rev')")).await;
        for ids in [json!({ "orderId": 1 }), json!({ "entityType": "page", "entityId": "1" })] {
            let ack = scene.client.request("order:subscribe", ids).await;
            assert_eq!(ack["ok"], true, "{ack}");
        }
        scene.database.sql("UPDATE orders SET status = 'told' WHERE id = 1").await;
        assert_eq!(scene.client.expect("order:updated").await["updates"], json!({ "status": "told" }), "{plugin}");

        // wal2json shows the columns of a table with an INSERT only.
        scene.database.sql("ALTER TABLE orders DROP rev; INSERT INTO orders VALUES (3, 'page', '1', 'new')").await;
        let ids = |id: i32, page: &str| json!({ "orderId": id, "entityType": "page", "entityId": page });
        scene.resync("order:resync", ids(3, "1")).await;
        scene.database.sql("UPDATE orders SET status = 'lost' WHERE id = 2").await;
        scene.other_tables_go_on().await;
        scene.database.sql("UPDATE orders SET status = 'lost' WHERE id = 1").await;
        scene.resync("order:resync", ids(1, "11")).await;
        scene.database.sql("UPDATE orders SET status = 'all lost'").await;
        let mut heard = [scene.client.expect("order:resync").await, scene.client.expect("order:resync").await];
        heard.sort_by_key(|payload| payload["orderId"].is_null());
        assert_eq!((&heard[0]["orderId"], &heard[1]["entityId"]), (&json!("1"), &json!("1")), "{plugin}");
        assert_eq!(heard[0]["offset"], heard[1]["offset"], "one event tells of all rows");

        scene.database.sql(&format!("{rule})")).await;
        scene.database.sql("UPDATE orders SET status = 'told again' WHERE id = 1").await;
        assert_eq!(scene.client.expect("order:updated").await["updates"]["status"], "told again", "{plugin}");
        assert_eq!(scene.logged("a change was not broadcast"), 1, "{plugin}");
        scene.never_lost_the_stream();
    }
}
