use axum::{
    extract::Request,
    http::{HeaderName, Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use tower_http::{
    compression::{CompressionLayer, predicate::SizeAbove},
    cors::{AllowOrigin, CorsLayer},
};

use super::{
    admit::{Room, admit},
    api::{self, Api},
    demo::{self, Demo},
    health::{self, Health},
    page,
    traced::traced,
};
use crate::{
    admission::{Admission, Origins},
    telemetry,
};

pub use axum::Router;

/// In bytes: below it, a body is as long compressed as not.
const WORTH_COMPRESSING: u64 = 1_000;

/// The routes of the server. `sockets` is Socket.IO under `/socket.io`; it is let in once [`Health`] says so. `/` is the demo, if there is one.
pub fn router(
    health: Health,
    metrics: telemetry::Exposition,
    sockets: Router,
    api: Api,
    admission: Admission,
    demo: Option<Demo>,
) -> Router {
    let origins = match &admission.origins {
        // With credentials, a browser takes no `*`.
        Origins::Any => AllowOrigin::mirror_request(),
        Origins::Listed(origins) => AllowOrigin::list(origins.clone()),
    };
    let door = |room| {
        let admission = admission.clone();
        middleware::from_fn(move |request: Request, next: Next| admit(admission.clone(), room, request, next))
    };
    let compression = CompressionLayer::new().compress_when(SizeAbove::new(WORTH_COMPRESSING));
    let cors = CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE, HeaderName::from_static("if-none-match")])
        .expose_headers([header::ETAG, api::OFFSET, header::RETRY_AFTER])
        .allow_credentials(true);
    let readiness = health.clone();
    let pages = page::routes().merge(demo.map(demo::routes).unwrap_or_default());
    let mut router = Router::new()
        .merge(pages.layer(compression.clone()).layer(middleware::from_fn(api::mark_compressed)))
        .nest(
            "/api",
            api::routes(api)
                .layer(compression.clone())
                .layer(middleware::from_fn(api::mark_compressed))
                .layer(door(Room::Api)),
        )
        .merge(
            sockets
                .layer(compression)
                .layer(middleware::from_fn(move |request: Request, next: Next| gate(health.clone(), request, next)))
                .layer(door(Room::Sockets)),
        );
    if telemetry::is_traced() {
        router = router.layer(middleware::from_fn(traced));
    }
    // Whoever asks for these asks all the time.
    router
        .route("/healthz", get(health::healthz))
        .route("/metrics", get(async move || metrics.render()))
        .route("/readyz", get(move || health::readyz(readiness.clone())))
        .layer(cors)
}

/// Before the stream flows a subscription would promise what nobody keeps: clients are told to come again.
async fn gate(health: Health, request: Request, next: Next) -> Response {
    if !health.serves_sockets() {
        return (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "1")], "not streaming yet").into_response();
    }
    next.run(request).await
}
