//! The OTLP exporter: HTTP through reqwest with soakrig's own TLS, or gRPC without any.
//!
//! `OTEL_EXPORTER_OTLP_HEADERS` is read for both, as the OTLP specification asks: tokens belong
//! there, and not on a command line.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry_otlp::{Protocol, RetryPolicy, SpanExporter, WithExportConfig, WithHttpConfig, WithTonicConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanExporter as _;

use crate::model::OtlpEndpoint;

/// How long an endpoint may take for a batch.
pub(super) const TIMEOUT: Duration = Duration::from_secs(5);

/// What is traced, and where it goes.
#[derive(Debug, Clone)]
pub struct TraceOptions {
    /// Where.
    pub endpoint: OtlpEndpoint,
    /// TLS towards an HTTPS endpoint.
    pub tls: Arc<rustls::ClientConfig>,
    /// The run id, an attribute of the resource.
    pub run_id: String,
    /// Which shard, an attribute of the resource.
    pub shard: String,
}

/// No traces can be sent.
#[derive(Debug, thiserror::Error)]
#[error("traces cannot be sent: {0}")]
pub struct TraceError(String);

/// An exporter to the endpoint; nothing is connected yet. It tries once: what fails is counted,
/// and not held while newer spans are lost instead.
pub(super) fn build(options: TraceOptions, resource: &Resource) -> Result<SpanExporter, TraceError> {
    let built = match options.endpoint {
        OtlpEndpoint::Http(url) => SpanExporter::builder()
            .with_http()
            .with_http_client(client(&options.tls)?)
            .with_endpoint(url)
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(TIMEOUT)
            .with_retry_policy(RetryPolicy::disabled())
            .build(),
        OtlpEndpoint::Grpc(url) => SpanExporter::builder()
            .with_tonic()
            .with_endpoint(url)
            .with_timeout(TIMEOUT)
            .with_retry_policy(RetryPolicy::disabled())
            .build(),
    };
    let mut exporter = built.map_err(|e| TraceError(e.to_string()))?;
    exporter.set_resource(resource);
    Ok(exporter)
}

fn client(tls: &rustls::ClientConfig) -> Result<reqwest::Client, TraceError> {
    reqwest::Client::builder()
        .user_agent(concat!("soakrig/", env!("CARGO_PKG_VERSION")))
        .tls_backend_preconfigured(tls.clone())
        .redirect(reqwest::redirect::Policy::none())
        .timeout(TIMEOUT)
        .build()
        .map_err(|e| TraceError(e.to_string()))
}
