//! The fates of trace spans, read from their exporter at scrape time.

use std::sync::{Arc, OnceLock};

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;

use crate::metrics::families::TRACE_SPANS;
use crate::metrics::label::Label;
use crate::metrics::sample;
use crate::model::SpanFate;

type Ask = dyn Fn(SpanFate) -> u64 + Send + Sync;

/// Source of the counts; clones share it. Until it is set, everything is 0.
#[derive(Clone, Default)]
pub(crate) struct Spans(Arc<OnceLock<Box<Ask>>>);

impl Spans {
    pub(crate) fn watch(&self, ask: impl Fn(SpanFate) -> u64 + Send + Sync + 'static) -> bool {
        self.0.set(Box::new(ask)).is_ok()
    }
}

pub(crate) struct SpansCollector {
    spans: Spans,
    desc: Desc,
}

impl SpansCollector {
    pub(crate) fn new(spans: Spans) -> prometheus::Result<Self> {
        Ok(Self { spans, desc: sample::desc(&TRACE_SPANS)? })
    }
}

impl Collector for SpansCollector {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.desc]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let count = |fate| self.spans.0.get().map_or(0, |ask| ask(fate));
        let samples = SpanFate::ALL.iter().map(|f| sample::number(&TRACE_SPANS, &[f.text()], count(*f) as f64));
        vec![sample::of(&TRACE_SPANS, samples.collect())]
    }
}
