//! The page in a real Chromium.

use serde_json::json;

use super::{admin, token_with};
use crate::support::{Client, Database, Screen, Server, Sockets, token};

/// A server at which something happens: rooms with people in them, and tables.
struct Scene {
    database: Database,
    server: Server,
    component: String,
    publication: String,
    _clients: Vec<Client>,
    _sockets: Sockets,
}

impl Scene {
    async fn new() -> Scene {
        let database = Database::new().await;
        database.sql("CREATE TABLE orders (id int PRIMARY KEY, customer_type text, customer_id int, total int)").await;
        let publication = format!("p_{}", database.name);
        database
            .sql(&format!(
                "CREATE PUBLICATION {publication} FOR TABLE walcast.rules, components, orders; \
                 SELECT walcast.broadcast_table('public.orders', prefix => 'order', \
                     entity => ARRAY['customer_type', 'customer_id'], writable => ARRAY['total'])"
            ))
            .await;
        let server = Server::start_with(&database, &["--publication", &publication]).await;
        let sockets = Sockets::start().await;
        let component = database.component("watched", "[]").await;
        let mut clients = Vec::new();
        for user in ["ann", "bob", "cyd", "dee"] {
            let client = sockets.connect(&server, user, "websocket").await;
            client.subscribe(json!({ "entityType": "page", "entityId": "1" })).await;
            clients.push(client);
        }
        clients[0].subscribe(json!({ "componentId": component })).await;
        clients[1].subscribe(json!({ "componentId": component })).await;
        Scene { database, server, component, publication, _clients: clients, _sockets: sockets }
    }

    fn url(&self) -> String {
        format!("{}/dashboard", self.server.url())
    }

    /// A row that is told.
    async fn order(&self, id: i32, total: i32) {
        self.database.sql(&format!("INSERT INTO orders VALUES ({id}, 'company', 7, {total})")).await;
    }
}

async fn sign_in(screen: &Screen, token: &str) {
    screen.see("label", "Admin token").await;
    screen.text(token).await;
    screen.press(&["Enter"]).await;
}

#[tokio::test]
async fn an_operator_signs_in_and_sees_what_happens() {
    let scene = Scene::new().await;
    let screen = Screen::start();
    screen.open(&scene.url(), false, 1280).await;
    sign_in(&screen, &token("ann")).await;
    screen.see("[role=alert]", "not an admin").await;
    screen.open(&scene.url(), false, 1280).await;
    sign_in(&screen, &admin()).await;
    screen.see(".pill", "Streaming").await;
    screen.see("#rooms li", "entity:page:1").await;
    screen.see("#rooms li", "bob@example.com").await;
    screen.see("#published li", "public.orders").await;
    screen.see("#doctor li", "replica identity").await;

    screen.click("button", "Watch").await;
    screen.see("#events .said", "Watching").await;
    let before = screen.see("#stream .tile", "Told up to").await;
    scene.order(1, 4321).await;
    screen.see("#events li", "order:created").await;
    for count in 0..20 {
        if screen.see("#stream .tile", "Told up to").await != before {
            break;
        }
        assert!(count < 19, "the position stays: {before}");
        // It is told once a second, and nothing tells the test.
        tokio::time::sleep(std::time::Duration::from_millis(250)).await;
    }
    let stored = screen.stored().await;
    assert_eq!(stored["session"], json!(["walcast-admin-token"]));
    assert_eq!((&stored["local"], &stored["cookies"], &stored["url"]), (&json!({}), &json!(""), &json!(scene.url())));
    screen.close().await;
}

#[tokio::test]
async fn everything_is_reached_by_the_keyboard_alone() {
    let scene = Scene::new().await;
    let screen = Screen::start();
    screen.open(&scene.url(), false, 1280).await;
    sign_in(&screen, &admin()).await;
    screen.see("#rooms li", "entity:page:1").await;
    // From a room to its events, a filter beside it, and what one of them told.
    screen.go_to("Tab", &format!("Watch events of component:{}", scene.component)).await;
    screen.press(&["Enter"]).await;
    screen.see("#events .said", "Watching").await;
    screen.go_to("Tab", "lens-room").await;
    scene.order(1, 1).await;
    scene.database.sql("UPDATE components SET name = 'by keyboard'").await;
    screen.see("#events li:first-child", "component:updated").await;
    screen.press(&["Control+A", "Delete", "Tab"]).await;
    screen.text("orders").await;
    screen.press(&["Enter"]).await;
    screen.see("#events p.empty", "Nothing has come yet").await;
    scene.database.sql("UPDATE components SET name = 'unseen'").await;
    scene.order(2, 4321).await;
    let shown = screen.see("#events ol", "order:created").await;
    assert!(!shown.contains("component:updated") && !shown.contains("4321"), "{shown}");
    // Past Apply, Pause and Stop.
    screen.press(&["Tab", "Tab", "Tab", "Tab", "Enter"]).await;
    let payload = screen.see("#events pre", "4321").await;
    assert!(payload.contains("\"customer_id\": 7"), "{payload}");
    screen.press(&["Enter"]).await;
    screen.close().await;
}

#[tokio::test]
async fn axe_finds_no_serious_fault_on_a_desk() {
    audit(1280).await;
}

#[tokio::test]
async fn axe_finds_no_serious_fault_on_a_phone() {
    audit(375).await;
}

/// In light and in dark; and nothing is wider than the screen.
async fn audit(width: u32) {
    let scene = Scene::new().await;
    let screen = Screen::start();
    let clean = (json!([]), u64::from(width));
    for (dark, first) in [(false, 100), (true, 200)] {
        let name = |what: &str| format!("{what}-{width}-{}.png", if dark { "dark" } else { "light" });
        screen.open(&scene.url(), dark, width).await;
        screen.see("label", "Admin token").await;
        assert_eq!(screen.audit().await, clean, "signing in, dark: {dark}");
        screen.shot(&name("sign-in")).await;
        sign_in(&screen, &admin()).await;
        screen.see("#published li", "public.orders").await;
        screen.see("#doctor li", "replica identity").await;
        screen.click("button", "Watch").await;
        screen.see("#events .said", "Watching").await;
        for total in 0..6 {
            scene.order(first + total, total).await;
            scene.database.sql(&format!("UPDATE components SET name = 'n{total}'")).await;
        }
        screen.see("#events li:first-child", "component:updated").await;
        screen.press(&["Tab", "Tab", "Tab", "Tab", "Enter"]).await;
        screen.see("#events pre", "timestamp").await;
        screen.see("#traffic .chart", "ms").await;
        assert_eq!(screen.audit().await, clean, "dark: {dark}");
        screen.shot(&name("dashboard")).await;
    }
    screen.close().await;
}

#[tokio::test]
async fn it_says_when_the_connection_is_lost_and_comes_back_by_itself() {
    let mut scene = Scene::new().await;
    let screen = Screen::start();
    screen.open(&scene.url(), false, 1280).await;
    sign_in(&screen, &admin()).await;
    screen.see(".pill", "Streaming").await;
    let address = scene.server.address.to_string();
    assert_eq!(scene.server.stop().await, Some(0));
    screen.see("[role=status]", "The connection to the server is lost").await;
    screen.shot("lost.png").await;
    let arguments = ["--publication", &scene.publication, "--listen", &address];
    scene.server = Server::start_with(&scene.database, &arguments).await;
    screen.see(".pill", "Streaming").await;
    screen.close().await;
}

#[tokio::test]
async fn it_says_that_a_server_stands_by_and_why_a_token_is_refused() {
    let scene = Scene::new().await;
    let arguments = ["--publication", scene.publication.as_str()];
    let standby = Server::spawn_on(&scene.database.dsn(), &scene.database.name, &arguments).await;
    standby.becomes("Standby").await;
    let screen = Screen::start();
    screen.open(&format!("{}/dashboard", standby.url()), false, 1280).await;
    screen.see("[role=status]", "This server stands by").await;
    screen.open(&scene.url(), false, 1280).await;
    sign_in(&screen, &token_with(&json!({ "admin": true, "exp": 1_000_000 }))).await;
    screen.see("[role=alert]", "may have expired").await;
    screen.close().await;
}
