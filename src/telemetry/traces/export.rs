use std::{pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use hyper::{Request, Response, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use opentelemetry::trace::TracerProvider;
use opentelemetry_http::{HttpClient, HttpError, hyper::HyperClient};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    resource::EnvResourceDetector,
    trace::{SdkTracer, SdkTracerProvider},
};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use tokio::runtime::Handle;
use tracing::Subscriber;
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::registry::LookupSpan;

/// How long the collector may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the last spans may take at the end.
const LAST_SPANS: Duration = Duration::from_secs(2);

/// Traces cannot be exported with these settings.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error("traces cannot be exported to {endpoint} (WALCAST_OTLP_ENDPOINT): {source}")]
    Settings { endpoint: Uri, source: ExporterBuildError },
    #[error("traces cannot be exported over TLS: {0}")]
    Tls(#[from] rustls::Error),
}

/// Spans on their way to a collector.
pub struct Export(SdkTracerProvider);

/// Exports spans to a collector that speaks OTLP over HTTP, in batches; the layer takes them. What the standard's environment
/// variables say of headers, sampling and the service's name holds. `endpoint` is without the path of traces.
pub fn export<S>(endpoint: &Uri, runtime: Handle) -> Result<(OpenTelemetryLayer<S, SdkTracer>, Export), ExportError>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(Client { runtime, hyper: Arc::new(HyperClient::new(connector()?, PATIENCE, None)) })
        .with_endpoint(format!("{}/v1/traces", endpoint.to_string().trim_end_matches('/')))
        .build()
        .map_err(|source| ExportError::Settings { endpoint: endpoint.clone(), source })?;
    let name = std::env::var("OTEL_SERVICE_NAME").ok().filter(|name| !name.is_empty());
    let resource = Resource::builder_empty()
        .with_detector(Box::new(EnvResourceDetector::new()))
        .with_service_name(name.unwrap_or_else(|| "walcast".to_owned()))
        .build();
    let provider = SdkTracerProvider::builder().with_resource(resource).with_batch_exporter(exporter).build();
    let layer = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("walcast"))
        .with_location(false)
        .with_target(false)
        .with_threads(false)
        .with_tracked_inactivity(false);
    Ok((layer, Export(provider)))
}

impl Export {
    /// Sends what is left.
    pub fn end(self) {
        if let Err(error) = self.0.shutdown_with_timeout(LAST_SPANS) {
            tracing::warn!(%error, "the last spans were not exported");
        }
    }
}

fn connector() -> Result<HttpsConnector<HttpConnector>, rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let tls = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build())
}

/// The exporter has a thread of its own, outside the runtime that its client needs.
#[derive(Debug)]
struct Client {
    runtime: Handle,
    hyper: Arc<HyperClient<HttpsConnector<HttpConnector>>>,
}

type Answer<'a> = Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'a>>;

impl HttpClient for Client {
    fn send_bytes<'life, 'answer>(&'life self, request: Request<Bytes>) -> Answer<'answer>
    where
        'life: 'answer,
    {
        let hyper = self.hyper.clone();
        let sending = self.runtime.spawn(async move { hyper.send_bytes(request).await });
        Box::pin(async move { sending.await? })
    }
}
