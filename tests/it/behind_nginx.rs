//! walcast behind a real nginx, as deploy/nginx.conf shows it.

use crate::support::{
    Database, Proxy, Server,
    behind::{self, Followers},
};

const ORIGIN: &str = "http://one.example";

async fn behind_it(changes: &[(&str, &str)]) -> (Database, Server, Proxy) {
    let database = Database::new().await;
    let server = Server::start_with(&database, &["--frontend-url", ORIGIN]).await;
    let proxy = Proxy::nginx(&[&server], changes).await;
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
    let proxy = Proxy::nginx(&[&server], &[]).await;
    behind::the_clients_own_address_counts(&proxy).await;
}

#[tokio::test]
async fn large_bodies_pass() {
    let (database, _server, proxy) = behind_it(&[]).await;
    behind::large_bodies_pass(&database, &proxy).await;
}

#[tokio::test]
async fn quiet_rooms_outlast_an_impatient_proxy() {
    let (database, _server, proxy) = behind_it(&[("proxy_read_timeout 60s", "proxy_read_timeout 3s")]).await;
    behind::quiet_rooms_outlast_an_impatient_proxy(&database, &proxy).await;
}

/// A standby, and the leader.
async fn two(database: &Database) -> (Server, Server) {
    let leader = Server::start(database).await;
    let standby = Server::spawn_on(&database.dsn(), &database.name, &[]).await;
    standby.becomes("Standby").await;
    (standby, leader)
}

#[tokio::test]
async fn clients_go_to_the_leader_and_outlast_its_end() {
    let database = Database::new().await;
    let (standby, leader) = two(&database).await;
    let proxy = Proxy::nginx(&[&standby, &leader], &[]).await;
    let followers = Followers::connect(&database, &proxy).await;
    followers.outlast(&database, leader, &standby).await;
}

#[tokio::test]
async fn every_request_that_comes_to_the_standby_is_handed_on() {
    let database = Database::new().await;
    let (standby, leader) = two(&database).await;
    // So that it does not remember who has refused, and tries both in turn.
    let proxy = Proxy::nginx(&[&standby, &leader], &[("max_fails=1", "max_fails=0")]).await;
    Followers::connect(&database, &proxy).await;
}
