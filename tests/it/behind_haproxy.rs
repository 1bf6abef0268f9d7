//! walcast behind a real HAProxy, as deploy/haproxy.cfg shows it.

use crate::support::{
    Database, Proxy, Server,
    behind::{self, Followers},
};

const ORIGIN: &str = "http://one.example";

async fn behind_it(changes: &[(&str, &str)]) -> (Database, Server, Proxy) {
    let database = Database::new().await;
    let server = Server::start_with(&database, &["--frontend-url", ORIGIN]).await;
    let proxy = Proxy::haproxy(&[&server], changes).await;
    (database, server, proxy)
}

#[tokio::test]
async fn each_transport_works() {
    let (database, _server, proxy) = behind_it(&[]).await;
    behind::each_transport_works(&database, &proxy).await;
}

#[tokio::test]
async fn headers_pass() {
    let (_database, _server, proxy) = behind_it(&[]).await;
    behind::headers_pass(&proxy, ORIGIN).await;
}

#[tokio::test]
async fn the_clients_own_address_counts() {
    let database = Database::new().await;
    let server = Server::start_with(&database, &behind::WARY).await;
    let proxy = Proxy::haproxy(&[&server], &[]).await;
    behind::the_clients_own_address_counts(&proxy).await;
}

#[tokio::test]
async fn large_bodies_pass() {
    let (database, _server, proxy) = behind_it(&[]).await;
    behind::large_bodies_pass(&database, &proxy).await;
}

#[tokio::test]
async fn quiet_rooms_outlast_an_impatient_proxy() {
    let impatient = [("timeout server  60s", "timeout server 3s"), ("timeout tunnel  60s", "timeout tunnel 3s")];
    let (database, _server, proxy) = behind_it(&impatient).await;
    behind::quiet_rooms_outlast_an_impatient_proxy(&database, &proxy).await;
}

#[tokio::test]
async fn clients_go_to_the_leader_and_outlast_its_end() {
    let database = Database::new().await;
    let leader = Server::start(&database).await;
    let standby = Server::spawn_on(&database.dsn(), &database.name, &[]).await;
    standby.becomes("Standby").await;
    let proxy = Proxy::haproxy(&[&standby, &leader], &[]).await;
    let followers = Followers::connect(&database, &proxy).await;
    let sessions: Vec<_> = proxy.statistics().await.iter().map(|server| server.sessions).collect();
    assert!(sessions[0] == 0 && sessions[1] > 0, "of the standby and of the leader: {sessions:?}");
    followers.outlast(&database, leader, &standby).await;
}
