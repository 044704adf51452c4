//! Traces of connecting users and of sampled chats, step by step, sent to an OTLP endpoint.
//!
//! Batched and bounded, and lossy rather than blocking: a span that finds the queue full, or that the endpoint does not
//! take, is counted and dropped. Only spans with the target [`SPANS`] are exported, never log lines or spans of
//! libraries.
//!
//! | file | what it is for |
//! | --- | --- |
//! | [`chats`] | spans of sampled chats, from the intent to the last delivery |
//! | `exporter` | OTLP over HTTP or gRPC |
//! | `queue` | the queue of ended spans, and the counts |
//!
//! Knows OpenTelemetry, but nothing of users, servers or the schedule.

pub mod chats;
mod exporter;
mod queue;

use std::time::Duration;

use opentelemetry::trace::{TraceContextExt as _, TracerProvider as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::{Layer, Registry};

pub use self::exporter::{TraceError, TraceOptions};
use self::queue::Export;
pub use self::queue::SpanCounts;
use crate::model::SPANS;

/// Longest wait at the end of a run for the export of the last spans.
const FLUSH: Duration = Duration::from_secs(2);

/// A layer that `run` adds to the logs, such as traces. It filters for itself.
pub type Extra = Box<dyn Layer<Registry> + Send + Sync>;

/// A running export of traces.
#[derive(Debug)]
pub struct Traces {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    export: Export,
}

impl Traces {
    /// Starts exporting on the current tokio runtime. Pass the layer to [`init`](super::init).
    ///
    /// # Errors
    /// If the exporter does not accept the endpoint. Whether anything listens there shows later, only in [`SpanCounts`]
    /// and a log line.
    pub fn start(options: TraceOptions) -> Result<(Self, Extra), TraceError> {
        let resource = resource(&options);
        let exporter = exporter::build(options, &resource)?;
        let (queue, export) = queue::open(exporter);
        let provider = SdkTracerProvider::builder().with_span_processor(queue).with_resource(resource).build();
        let tracer = provider.tracer("soakrig");
        let layer = tracing_opentelemetry::layer()
            .with_tracer(tracer.clone())
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_level(false)
            .with_tracked_inactivity(false)
            .with_filter(Targets::new().with_target(SPANS, tracing::Level::INFO));
        Ok((Self { provider, tracer, export }, Box::new(layer)))
    }

    /// The counts of spans by fate so far; clones share them.
    #[must_use]
    pub fn counts(&self) -> SpanCounts {
        self.export.counts()
    }

    /// Exports the remaining spans, for at most two seconds; the rest is counted as stopped.
    pub async fn finish(self) {
        self.export.finish(FLUSH).await;
        // Nothing is left to export; this only ends the provider.
        let _ = self.provider.shutdown();
    }
}

fn resource(options: &TraceOptions) -> Resource {
    Resource::builder()
        .with_service_name("soakrig")
        .with_attributes([
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("soakrig.run_id", options.run_id.clone()),
            KeyValue::new("soakrig.shard", options.shard.clone()),
        ])
        .build()
}

/// The ids of the calling task's span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ids {
    /// 32 hexadecimal digits.
    pub trace: String,
    /// 16 hexadecimal digits.
    pub span: String,
}

/// The ids of the calling task's span; `None` outside of any span, or without traces.
#[must_use]
pub fn current() -> Option<Ids> {
    Context::map_current(|context| {
        let span = context.has_active_span().then(|| context.span().span_context().clone())?;
        (span.is_valid() && span.is_sampled())
            .then(|| Ids { trace: span.trace_id().to_string(), span: span.span_id().to_string() })
    })
}

impl Ids {
    /// The value of a `traceparent` header by W3C Trace Context: version 00, sampled.
    #[must_use]
    pub fn traceparent(&self) -> String {
        format!("00-{}-{}-01", self.trace, self.span)
    }
}
