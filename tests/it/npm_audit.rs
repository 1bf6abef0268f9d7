//! `make audit` fails where an advisory is grave, and only there: asked of a registry that says what the test wants.

use axum::{Json, Router, http::StatusCode, routing::post};
use serde_json::{Value, json};
use tokio::{net::TcpListener, process::Command};

/// A registry that answers so when it is asked for advisories; its URL.
async fn registry(answer: Option<Value>) -> String {
    let answer = move || {
        let answer = answer.clone();
        async move { answer.map(Json).ok_or(StatusCode::METHOD_NOT_ALLOWED) }
    };
    let router = Router::new().route("/-/npm/v1/security/advisories/bulk", post(answer));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

async fn audit(registry: &str, more: &[(&str, &str)]) -> (bool, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/npm-audit.sh"));
    command.env_remove("REQUIRE_ADVISORIES").envs(more.iter().copied());
    command.env("npm_config_registry", registry).env("npm_config_fetch_retries", "0");
    command.env("npm_config_cache", folder.path());
    let output = command.output().await.expect("runs");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

fn advisory(severity: &str) -> Value {
    json!({ "socket.io-client": [{
        "id": 1, "url": "https://example.com", "title": "it is broken", "severity": severity, "vulnerable_versions": "*",
    }] })
}

#[tokio::test]
async fn only_what_is_grave_fails() {
    let (passed, said) = audit(&registry(Some(json!({}))).await, &[]).await;
    assert!(passed && said.contains("tests/js: no advisory") && said.contains("tests/matrix: no advisory"), "{said}");
    let (passed, said) = audit(&registry(Some(advisory("moderate"))).await, &[]).await;
    assert!(passed, "{said}");
    let (passed, said) = audit(&registry(Some(advisory("high"))).await, &[]).await;
    assert!(!passed && said.contains("it is broken") && said.contains("tests/js: see above"), "{said}");
}

#[tokio::test]
async fn a_registry_that_tells_nothing_is_no_failure_unless_it_is_to_be_one() {
    for registry in [registry(None).await, "http://127.0.0.1:1".to_owned()] {
        let (passed, said) = audit(&registry, &[]).await;
        assert!(passed && said.contains("tests/js: advisories NOT checked") && !said.contains("no advisory"), "{said}");
    }
    let (passed, said) = audit(&registry(None).await, &[("REQUIRE_ADVISORIES", "1")]).await;
    assert!(!passed, "{said}");
}
