//! Rows over HTTP, for whoever polls: see docs/polling.md. And events from services: see docs/sql.md.

mod answer;
mod broadcast;
mod etag;
mod query;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Path, Request, State, rejection::PathRejection},
    http::{HeaderMap, Uri},
    middleware::{self, Next},
    response::Response,
    routing::{get, post},
};

use super::Health;
use crate::{
    auth::Verifier,
    gateway::{INVALID_TOKEN, NO_TOKEN, bearer},
    hub::Hub,
    store::{Broadcasts, Read, Reads, Selection},
    telemetry,
};
use answer::Answer;
pub use answer::{ApiError, OFFSET, respond};
pub use etag::{is_known, mark_compressed};

/// What requests over HTTP are answered from.
pub struct Api {
    pub reads: Reads,
    pub broadcasts: Broadcasts,
    pub hub: Hub,
    pub verifier: Arc<Verifier>,
    pub health: Health,
    /// How long the body of a request may take to arrive.
    pub body: Duration,
}

/// The prefix whose rows are found under a path of their own.
const COMPONENT: &str = "component";

type Shared = State<Arc<Api>>;

/// The routes under `/api`.
pub fn routes(api: Api) -> Router {
    Router::new()
        .route("/components", get(components))
        .route("/components/{id}", get(component))
        .route("/broadcast", post(broadcast::broadcast))
        .route("/rows/{prefix}", get(rows))
        .route("/rows/{prefix}/{id}", get(row))
        .method_not_allowed_fallback(async || ApiError::method())
        .fallback(async || ApiError::path())
        .with_state(Arc::new(api))
        .layer(middleware::from_fn(count))
}

async fn components(State(api): Shared, headers: HeaderMap, uri: Uri) -> Result<Answer, ApiError> {
    list(&api, &headers, &uri, COMPONENT).await
}

async fn component(State(api): Shared, headers: HeaderMap, id: PathOf<String>) -> Result<Answer, ApiError> {
    let Path(key) = id.map_err(|_| ApiError::path())?;
    one(&api, &headers, COMPONENT, key).await
}

async fn rows(State(api): Shared, headers: HeaderMap, uri: Uri, prefix: PathOf<String>) -> Result<Answer, ApiError> {
    let Path(prefix) = prefix.map_err(|_| ApiError::path())?;
    list(&api, &headers, &uri, &prefix).await
}

async fn row(State(api): Shared, headers: HeaderMap, names: PathOf<(String, String)>) -> Result<Answer, ApiError> {
    let Path((prefix, key)) = names.map_err(|_| ApiError::path())?;
    one(&api, &headers, &prefix, key).await
}

type PathOf<T> = Result<Path<T>, PathRejection>;

async fn list(api: &Api, headers: &HeaderMap, uri: &Uri, prefix: &str) -> Result<Answer, ApiError> {
    // Who may not ask does not learn how to.
    let claims = authenticate(api, headers)?;
    read(api, headers, Read { prefix, selection: query::selection(uri)?, claims: &claims }).await
}

async fn one(api: &Api, headers: &HeaderMap, prefix: &str, key: String) -> Result<Answer, ApiError> {
    let claims = authenticate(api, headers)?;
    query::check("id", &key)?;
    read(api, headers, Read { prefix, selection: Selection::Row { key }, claims: &claims }).await
}

/// The claims of the token, as JSON: the same check as that of sockets.
fn authenticate(api: &Api, headers: &HeaderMap) -> Result<String, ApiError> {
    let token = bearer(headers).ok_or_else(|| ApiError::unauthorized(NO_TOKEN))?;
    let claims = api.verifier.verify_whole(token).map(|(_, claims)| claims);
    claims.map_err(|error| {
        tracing::debug!(%error, "a request was refused");
        if error.has_expired() { ApiError::token_expired() } else { ApiError::unauthorized(INVALID_TOKEN) }
    })
}

async fn read(api: &Api, headers: &HeaderMap, read: Read<'_>) -> Result<Answer, ApiError> {
    // Where the stream stands nobody knows before it flows, and elsewhere it may have gone on.
    if !api.health.serves_sockets() {
        return Err(ApiError::unavailable("the server does not stream yet: try again"));
    }
    // First: what is read after it holds everything up to it.
    let position = api.hub.position().await.map_err(|error| ApiError::unavailable(&error.to_string()))?;
    let is_single = matches!(read.selection, Selection::Row { .. });
    let epoch = position.epoch.clone();
    let tag = |mark: &str| etag::tag(&epoch, mark);
    let found = api.reads.read(&read, |mark| etag::known(headers, &tag(mark)).is_some()).await?;
    let contained = api.hub.contained(position, |xid| found.snapshot.sees(xid));
    let tag = tag(&found.mark);
    Ok(match found.page {
        None => Answer::unchanged(etag::known(headers, &tag).unwrap_or(tag), &contained),
        Some(page) => Answer::page(page, is_single, tag, &contained),
    })
}

async fn count(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    telemetry::api_request(response.status().as_u16());
    response
}
