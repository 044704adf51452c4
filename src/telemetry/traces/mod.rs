//! Traces: what a user's way in and a sampled chat took, step by step, sent to an OTLP endpoint.
//!
//! Batched, bounded, and lossy before it would block: a span that finds the queue full, or an
//! endpoint that does not take it, is counted and forgotten. Only spans of the target
//! [`SPANS`] are exported, never log lines, nor what libraries trace of themselves.
//!
//! | file | what it is for |
//! | --- | --- |
//! | [`chats`] | spans of sampled chats, from the intent to the last delivery |
//! | `exporter` | OTLP over HTTP or gRPC |
//! | `queue` | from the end of a span to the exporter, and the counts |
//!
//! Knows OpenTelemetry, and nothing of users, servers or the schedule.

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

/// How long the end of a run waits for the last spans to be taken.
const FLUSH: Duration = Duration::from_secs(2);

/// A layer that `run` adds to the logs: traces, for instance. Filters itself.
pub type Extra = Box<dyn Layer<Registry> + Send + Sync>;

/// Traces under way.
#[derive(Debug)]
pub struct Traces {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    export: Export,
}

impl Traces {
    /// Begins to export, in the tokio runtime that this is called in. The layer belongs to
    /// [`init`](super::init).
    ///
    /// # Errors
    /// Where the exporter does not accept the endpoint. Whether anything listens there shows later,
    /// and only in [`SpanCounts`] and a log line.
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

    /// What became of the spans so far; clones share the counts.
    #[must_use]
    pub fn counts(&self) -> SpanCounts {
        self.export.counts()
    }

    /// Sends what is left, for two seconds at most; what is not taken by then is counted as stopped.
    pub async fn finish(self) {
        self.export.finish(FLUSH).await;
        // Nothing is left to do for it but to say that it is over.
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

/// The ids of the span that the calling task is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ids {
    /// 32 hexadecimal digits.
    pub trace: String,
    /// 16 hexadecimal digits.
    pub span: String,
}

/// The ids of the span that the calling task is in; `None` outside of any, and without traces.
#[must_use]
pub fn current() -> Option<Ids> {
    Context::map_current(|context| {
        let span = context.has_active_span().then(|| context.span().span_context().clone())?;
        (span.is_valid() && span.is_sampled())
            .then(|| Ids { trace: span.trace_id().to_string(), span: span.span_id().to_string() })
    })
}

impl Ids {
    /// The value of a `traceparent` header, as W3C's Trace Context has it: version 00, sampled.
    #[must_use]
    pub fn traceparent(&self) -> String {
        format!("00-{}-{}-01", self.trace, self.span)
    }
}
