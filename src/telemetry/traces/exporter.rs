//! The OTLP exporter: HTTP through reqwest with soakrig's own TLS, or gRPC without any.
//!
//! Both read `OTEL_EXPORTER_OTLP_HEADERS`, as the OTLP specification asks: tokens belong there, not on a command line.

use std::sync::Arc;
use std::time::Duration;

use hyper_util::client::legacy::connect::HttpConnector;
use opentelemetry_otlp::{Protocol, RetryPolicy, SpanExporter, WithExportConfig, WithHttpConfig, WithTonicConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanExporter as _;
use tonic::transport::Channel;

use crate::model::OtlpEndpoint;
use crate::transport::resolve::Names;

/// Longest time of an endpoint for a batch.
pub(super) const TIMEOUT: Duration = Duration::from_secs(5);

/// The options of tracing.
#[derive(Debug, Clone)]
pub struct TraceOptions {
    /// The endpoint.
    pub endpoint: OtlpEndpoint,
    /// TLS for an HTTPS endpoint.
    pub tls: Arc<rustls::ClientConfig>,
    /// Resolver of the endpoint's name.
    pub names: Names,
    /// The run id, an attribute of the resource.
    pub run_id: String,
    /// The shard, an attribute of the resource.
    pub shard: String,
}

/// Traces cannot be sent.
#[derive(Debug, thiserror::Error)]
#[error("traces cannot be sent: {0}")]
pub struct TraceError(String);

/// An exporter to the endpoint, not connected yet. It tries each batch once: a failed batch is counted and dropped
/// rather than kept at the expense of newer spans.
pub(super) fn build(options: TraceOptions, resource: &Resource) -> Result<SpanExporter, TraceError> {
    let built = match options.endpoint {
        OtlpEndpoint::Http(url) => SpanExporter::builder()
            .with_http()
            .with_http_client(client(&options.tls, options.names)?)
            .with_endpoint(url)
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(TIMEOUT)
            .with_retry_policy(RetryPolicy::disabled())
            .build(),
        OtlpEndpoint::Grpc(url) => SpanExporter::builder()
            .with_tonic()
            .with_channel(channel(url, options.names)?)
            .with_timeout(TIMEOUT)
            .with_retry_policy(RetryPolicy::disabled())
            .build(),
    };
    let mut exporter = built.map_err(|e| TraceError(e.to_string()))?;
    exporter.set_resource(resource);
    Ok(exporter)
}

/// A connection that is opened on demand.
fn channel(url: String, names: Names) -> Result<Channel, TraceError> {
    let endpoint = Channel::from_shared(url).map_err(|e| TraceError(e.to_string()))?;
    let mut connector = HttpConnector::new_with_resolver(names);
    connector.set_nodelay(true);
    Ok(endpoint.timeout(TIMEOUT).connect_timeout(TIMEOUT).connect_with_connector_lazy(connector))
}

fn client(tls: &rustls::ClientConfig, names: Names) -> Result<reqwest::Client, TraceError> {
    reqwest::Client::builder()
        .user_agent(concat!("soakrig/", env!("CARGO_PKG_VERSION")))
        .tls_backend_preconfigured(tls.clone())
        .dns_resolver(names)
        // `--proxy` is for the server only, and proxy variables are ignored.
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(TIMEOUT)
        .build()
        .map_err(|e| TraceError(e.to_string()))
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::{SpanContext, SpanKind, Status};
    use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

    use super::*;
    use crate::transport::resolve::{Files, Resolve, Resolver};

    fn span() -> SpanData {
        SpanData {
            span_context: SpanContext::empty_context(),
            parent_span_id: opentelemetry::SpanId::INVALID,
            parent_span_is_remote: false,
            span_kind: SpanKind::Internal,
            name: "a".into(),
            start_time: std::time::UNIX_EPOCH,
            end_time: std::time::UNIX_EPOCH,
            attributes: Vec::new(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: opentelemetry::InstrumentationScope::default(),
        }
    }

    #[tokio::test]
    async fn the_endpoints_name_is_looked_up_by_our_own_resolver() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let ring = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(ring).with_safe_default_protocol_versions().unwrap();
        let tls = Arc::new(tls.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth());
        // The clients look up a name without a port.
        let fixed = Resolve { host: "traces.invalid".into(), port: 0, addresses: vec!["127.0.0.1".parse().unwrap()] };
        for endpoint in [
            OtlpEndpoint::Http(format!("http://traces.invalid:{port}/v1/traces")),
            OtlpEndpoint::Grpc(format!("http://traces.invalid:{port}")),
        ] {
            let options = TraceOptions {
                endpoint,
                tls: Arc::clone(&tls),
                names: Names::new(Resolver::new(Files::default(), vec![fixed.clone()])),
                run_id: String::new(),
                shard: String::new(),
            };
            let exporter = Arc::new(build(options, &Resource::builder_empty().build()).unwrap());
            let sending = tokio::spawn({
                let exporter = Arc::clone(&exporter);
                async move { exporter.export(vec![span()]).await }
            });
            let arrived = tokio::time::timeout(Duration::from_secs(60), listener.accept()).await;
            arrived.expect("no connection to the endpoint").unwrap();
            sending.abort();
        }
    }
}
