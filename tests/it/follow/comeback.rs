use serde_json::{Value, json};

use super::ORDERS;
use crate::support::{Client, Database, Network, Server, Sockets, token};

/// A client that follows open orders through a network that can be cut.
struct Scene {
    database: Database,
    server: Server,
    network: Network,
    client: Client,
    _sockets: Sockets,
}

impl Scene {
    async fn new() -> Scene {
        let database = Database::new().await;
        database.sql(&format!("{ORDERS}; CREATE TABLE others (id int PRIMARY KEY)")).await;
        database.sql("CREATE PUBLICATION walcast FOR TABLE walcast.rules, components, orders, others").await;
        let server = Server::start(&database).await;
        let network = Network::start(Some(server.address)).await;
        let sockets = Sockets::start().await;
        let options = json!({
            "transports": ["websocket"], "auth": { "token": token("ann") },
            "reconnection": true, "reconnectionDelay": 50, "reconnectionDelayMax": 200,
        });
        let url = format!("http://{}", network.address);
        let mut client = sockets.client(json!({ "url": url, "options": options })).await.expect("connects");
        client.until("connect").await;
        let ask = json!({ "table": "orders", "filter": "status=eq.open" });
        assert_eq!(client.request("changes:subscribe", ask).await["ok"], true);
        let mut scene = Scene { database, server, network, client, _sockets: sockets };
        scene.insert(1).await;
        scene.hears(1).await;
        scene
    }

    async fn insert(&self, id: i32) {
        self.database.sql(&format!("INSERT INTO orders VALUES ({id}, 'open', 0), (-{id}, 'sent', 0)")).await;
    }

    async fn hears(&mut self, id: i32) {
        assert_eq!(self.client.expect("changes:changed").await["id"], id);
    }

    async fn cut(&mut self) {
        self.network.aim(None);
        self.network.cut();
        self.client.until("disconnect").await;
    }

    /// Whether the client says that it has recovered.
    async fn mend(&mut self) -> bool {
        self.network.aim(Some(self.server.address));
        self.client.until("connect").await[0] == true
    }
}

#[tokio::test]
async fn who_comes_back_follows_its_tables_again_and_has_missed_nothing_of_a_quiet_one() {
    let mut scene = Scene::new().await;
    scene.cut().await;
    scene.database.sql("INSERT INTO others VALUES (1)").await;
    assert!(scene.mend().await);
    scene.insert(2).await;
    scene.hears(2).await;
}

#[tokio::test]
async fn of_a_table_that_has_changed_meanwhile_it_is_told_to_fetch() {
    let mut scene = Scene::new().await;
    scene.cut().await;
    scene.insert(2).await;
    assert!(scene.mend().await, "its rooms have missed nothing");
    let resync = scene.client.expect("changes:resync").await;
    assert_eq!((&resync["table"], &resync["reason"]), (&json!("orders"), &json!("history gap")));
    scene.insert(3).await;
    scene.hears(3).await;
}

#[tokio::test]
async fn over_a_server_that_is_replaced() {
    for is_quiet in [true, false] {
        let mut scene = Scene::new().await;
        scene.network.aim(None);
        assert_eq!(scene.server.stop().await, Some(0));
        scene.client.until("disconnect").await;
        if !is_quiet {
            scene.insert(2).await;
        }
        scene.server = Server::start(&scene.database).await;
        assert!(scene.mend().await);
        if !is_quiet {
            assert_eq!(scene.client.expect("changes:resync").await["reason"], "history gap");
        }
        scene.insert(3).await;
        scene.hears(3).await;
    }
}

#[tokio::test]
async fn what_it_left_it_does_not_follow_again() {
    let mut scene = Scene::new().await;
    let ask = json!({ "table": "orders", "filter": "status=eq.open" });
    let name = scene.client.request("changes:subscribe", ask).await["subscription"].take();
    scene.client.request("changes:unsubscribe", json!({ "subscription": name })).await;
    scene.client.request("changes:subscribe", json!({ "table": "others" })).await;
    scene.cut().await;
    assert!(scene.mend().await);
    scene.insert(2).await;
    scene.database.sql("INSERT INTO others VALUES (2)").await;
    assert_eq!(scene.client.expect("changes:changed").await["table"], "others");
}

#[tokio::test]
async fn a_subscription_says_whether_anything_was_missed_since_an_offset() {
    let mut scene = Scene::new().await;
    let ask = |table: &str, since: &Value| json!({ "table": table, "since": since });
    scene.client.catch_up(&scene.database).await;
    let since = scene.client.request("changes:subscribe", json!({ "table": "others" })).await["offset"].take();
    scene.insert(2).await;
    scene.hears(2).await;
    let quiet = scene.client.request("changes:subscribe", ask("others", &since)).await;
    assert_eq!(quiet["resumed"], true, "{quiet}");
    let changed = scene.client.request("changes:subscribe", ask("orders", &since)).await;
    assert_eq!(changed["resumed"], false, "{changed}");
    assert_eq!(scene.client.expect("changes:resync").await["reason"], "history gap");
    let void =
        scene.client.request("changes:subscribe", ask("others", &json!("another/0000000000000001-00000000"))).await;
    assert_eq!(void["resumed"], false, "{void}");
    assert_eq!(scene.client.expect("changes:resync").await["reason"], "another history");
}
