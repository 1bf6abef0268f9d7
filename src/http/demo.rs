//! The demo at `/`, which `walcast dev` shows to whoever sits at the machine: its page, tokens for people that it makes up,
//! and plain SQL, so that one sees the database speak.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{
    Json, Router,
    extract::{Path, Request, State, rejection::JsonRejection},
    http::{HeaderMap, StatusCode},
    middleware::{self, Next},
    response::Response,
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    api::{ApiError, respond},
    page::DEMO,
};
use crate::{
    auth::{Claims, sign},
    gateway::dashboard::FromHere,
    store::{Edit, Edited, Store},
};

/// What the demo does its tricks with: the secret that tokens are signed with, and the whole database.
pub struct Demo {
    pub secret: String,
    pub store: Store,
}

/// How long a token holds; the page asks for another by itself.
const TOKEN_TTL: Duration = Duration::from_secs(3600);
/// In bytes.
const LONGEST_NAME: usize = 64;

type Shared = State<Arc<Demo>>;
type Asked<T> = Result<Json<T>, JsonRejection>;

/// `/`, and what it loads and asks for under `/demo`.
pub fn routes(demo: Demo) -> Router {
    let tricks = Router::new()
        .route("/demo/token", post(token))
        .route("/demo/sql", post(sql))
        .layer(middleware::from_fn(guard))
        .with_state(Arc::new(demo));
    Router::new()
        .route("/", get(async |headers: HeaderMap| DEMO.serve("index.html", &headers)))
        .route("/demo/{*path}", get(async |Path(path): Path<String>, headers: HeaderMap| DEMO.serve(&path, &headers)))
        .merge(tricks)
}

/// As for the dashboard without a token: a page of another origin gets none of this, nor does who comes through a proxy.
async fn guard(request: Request, next: Next) -> Result<Response, ApiError> {
    if FromHere::read(request.headers()).is_none() {
        return Err(ApiError::forbidden(
            "the demo is for its own page, in a browser at this machine: open it by localhost",
        ));
    }
    Ok(next.run(request).await)
}

#[derive(Deserialize)]
struct Person {
    name: String,
}

/// `POST {name}`: a token for whoever calls themselves that.
async fn token(State(demo): Shared, asked: Asked<Person>) -> Result<Response, ApiError> {
    let Person { name } = read(asked)?;
    let name = name.trim();
    if name.is_empty() || name.len() > LONGEST_NAME || name.contains(char::is_control) {
        return Err(ApiError::invalid(&format!("name must be a text of 1 to {LONGEST_NAME} bytes in one line")));
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let exp = Some((now + TOKEN_TTL).as_secs());
    let claims = Claims { user_id: name.to_owned(), email: None, role: None, exp };
    let token = sign(&claims, &demo.secret).map_err(|error| ApiError::internal("token", &error.to_string()))?;
    Ok(answer(json!({ "ok": true, "token": token })))
}

/// `POST {kind, …}`, one of [`Edit`]: runs it, and says what was run.
async fn sql(State(demo): Shared, asked: Asked<Edit>) -> Result<Response, ApiError> {
    let edit = read(asked)?;
    // What Postgres says is for whoever sits before the page, who runs the server too.
    let Edited { sql, rows } = demo.store.edit(&edit).await.map_err(|error| ApiError::invalid(&error.to_string()))?;
    Ok(answer(json!({ "ok": true, "sql": sql, "rows": rows })))
}

fn read<T>(asked: Asked<T>) -> Result<T, ApiError> {
    asked.map(|Json(asked)| asked).map_err(|refusal| ApiError::invalid(&refusal.body_text()))
}

fn answer(body: Value) -> Response {
    respond(StatusCode::OK, body.to_string())
}
