use axum::{
    extract::Request,
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use metrics_exporter_prometheus::PrometheusHandle;
use tower_http::{
    compression::{CompressionLayer, predicate::SizeAbove},
    cors::{AllowOrigin, CorsLayer},
};

use super::health::{self, Health};

pub use axum::Router;

/// In bytes: below it, a body is as long compressed as not.
const WORTH_COMPRESSING: u64 = 1_000;

/// The routes of the server. `sockets` is Socket.IO under `/socket.io`; it is let in once [`Health`] says so.
pub fn router(health: Health, metrics: PrometheusHandle, sockets: Router, origins: Vec<HeaderValue>) -> Router {
    let cors = CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE, HeaderName::from_static("if-none-match")])
        .allow_credentials(true);
    let readiness = health.clone();
    Router::new()
        .route("/healthz", get(health::healthz))
        .route("/metrics", get(async move || metrics.render()))
        .route("/readyz", get(move || health::readyz(readiness.clone())))
        .merge(
            sockets
                .layer(CompressionLayer::new().compress_when(SizeAbove::new(WORTH_COMPRESSING)))
                .layer(middleware::from_fn(move |request: Request, next: Next| gate(health.clone(), request, next))),
        )
        .layer(cors)
}

/// Before the stream flows a subscription would promise what nobody keeps: clients are told to come again.
async fn gate(health: Health, request: Request, next: Next) -> Response {
    if !health.serves_sockets() {
        return (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "1")], "not streaming yet").into_response();
    }
    next.run(request).await
}
