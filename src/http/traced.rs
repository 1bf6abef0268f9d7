use axum::{
    extract::{MatchedPath, Request},
    middleware::Next,
    response::Response,
};

use crate::telemetry;

/// A span for each request, until its answer begins.
pub async fn traced(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let span = telemetry::request_span(request.method().as_str(), route, request.uri().path(), request.headers());
    let response = next.run(request).await;
    span.record("http.response.status_code", i64::from(response.status().as_u16()));
    response
}
