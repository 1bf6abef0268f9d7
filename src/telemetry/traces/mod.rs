//! Traces for OpenTelemetry: spans of a target of their own, which nobody takes unless an endpoint is named. Then to begin one
//! costs a look at a flag.

mod export;
mod way;

use hyper::HeaderMap;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry_http::HeaderExtractor;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::{Level, Span, field::Empty, trace_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

pub use export::{Export, ExportError, export};
pub use way::Way;

/// Of the spans of traces, and of nothing else.
pub const TARGET: &str = "walcast_traces";

/// Whether anybody takes the spans.
pub fn is_traced() -> bool {
    tracing::enabled!(target: TARGET, Level::TRACE)
}

/// A write of a socket, until the span is dropped. `outcome` is to be recorded.
pub fn write_span(prefix: &str, action: &'static str) -> Span {
    trace_span!(target: TARGET, parent: None, "write", prefix, action, outcome = Empty)
}

/// A request, until the span is dropped; a part of the trace that its `traceparent` names. `http.response.status_code` is to be
/// recorded. `route`: the pattern of its path.
pub fn request_span(method: &str, route: &str, path: &str, headers: &HeaderMap) -> Span {
    let span = trace_span!(
        target: TARGET,
        parent: None,
        "request",
        otel.name = %format_args!("{method} {route}"),
        otel.kind = "server",
        http.request.method = method,
        http.route = route,
        url.path = path,
        http.response.status_code = Empty,
    );
    if !span.is_disabled() {
        // An error would mean that nobody takes it after all.
        let _ = span.set_parent(TraceContextPropagator::new().extract(&HeaderExtractor(headers)));
    }
    span
}
