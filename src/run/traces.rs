//! Traces of a run, if `--otlp-endpoint` asks for them: what makes them and where they go.

use std::sync::Arc;

use http::HeaderValue;

use crate::config::plan::Plan;
use crate::error::StartError;
use crate::metrics::Metrics;
use crate::protocol::{Trace, Untraced};
use crate::telemetry::Extra;
use crate::telemetry::traces::chats::ChatTraces;
use crate::telemetry::traces::{self, TraceOptions, Traces};
use crate::transport;
use crate::transport::resolve::{Files, Names, Resolver};

/// The traces of a run; empty if none are wanted.
#[derive(Default)]
pub(crate) struct Tracing {
    traces: Option<Traces>,
    /// Whether requests carry a `traceparent` header.
    traceparent: bool,
}

impl Tracing {
    /// Starts exporting, if there is an endpoint; returns the layers that logging must add.
    pub(super) fn start(plan: &Plan) -> Result<(Self, Vec<Extra>), StartError> {
        let Some(endpoint) = &plan.report.otlp_endpoint else { return Ok((Self::default(), Vec::new())) };
        let wrong = |why: String| StartError::environment("--otlp-endpoint", why);
        let options = TraceOptions {
            endpoint: endpoint.clone(),
            tls: transport::tls::trusting(plan.connection.tls.ca_file.as_deref()).map_err(|e| wrong(e.to_string()))?,
            names: Names::new(Resolver::new(Files::default(), Vec::new())),
            run_id: plan.report.run_id.as_str().to_owned(),
            shard: plan.users.shard.to_string(),
        };
        let (traces, layer) = Traces::start(options).map_err(|e| wrong(e.to_string()))?;
        Ok((Self { traces: Some(traces), traceparent: plan.report.traceparent }, vec![layer]))
    }

    /// Lets the metrics count exported and dropped spans.
    pub(super) fn watched_by(&self, metrics: &Metrics) {
        if let Some(traces) = &self.traces {
            let counts = traces.counts();
            metrics.watch_spans(move |fate| counts.get(fate));
        }
    }

    /// The source of the driver's `traceparent` headers.
    pub(super) fn header(&self) -> Arc<dyn Trace> {
        if self.traces.is_some() && self.traceparent { Arc::new(Current) } else { Arc::new(Untraced) }
    }

    /// The choice of traced chats, drawn from this seed.
    pub(super) fn chats(&self, seed: u64) -> ChatTraces {
        self.traces.as_ref().map_or_else(ChatTraces::default, |traces| ChatTraces::sampled(traces, seed))
    }

    /// Exports the remaining spans, for at most two seconds.
    pub(super) async fn finish(self) {
        if let Some(traces) = self.traces {
            traces.finish().await;
        }
    }
}

/// The `traceparent` of the current span.
struct Current;

impl Trace for Current {
    fn traceparent(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(&traces::current()?.traceparent()).ok()
    }
}
