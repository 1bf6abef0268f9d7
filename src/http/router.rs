use axum::{
    extract::Request,
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::health::{self, Health};
use crate::gateway::Connections;

pub use axum::Router;

/// The routes of the server. `sockets` is Socket.IO under `/socket.io/`; it is let in once [`Health`] says so.
pub fn router<L>(health: Health, connections: Connections, sockets: L, origins: Vec<HeaderValue>) -> Router
where
    L: tower::Layer<axum::routing::Route> + Clone + Send + Sync + 'static,
    L::Service: tower::Service<Request, Error = std::convert::Infallible> + Clone + Send + Sync + 'static,
    <L::Service as tower::Service<Request>>::Response: IntoResponse + 'static,
    <L::Service as tower::Service<Request>>::Future: Send + 'static,
{
    let cors = CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE, HeaderName::from_static("if-none-match")])
        .allow_credentials(true);
    let readiness = health.clone();
    Router::new()
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(move || health::readyz(readiness.clone())))
        .layer(sockets)
        .layer(middleware::from_fn(move |request: Request, next: Next| {
            gate(health.clone(), connections.clone(), request, next)
        }))
        .layer(cors)
}

/// Before the stream flows a subscription would promise what nobody keeps: clients are told to come again.
async fn gate(health: Health, connections: Connections, request: Request, next: Next) -> Response {
    if !request.uri().path().starts_with("/socket.io") {
        return next.run(request).await;
    }
    if let Some(refusal) = connections.refusal(&request) {
        return refusal;
    }
    if !health.serves_sockets() {
        return (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "1")], "not streaming yet").into_response();
    }
    next.run(request).await
}
