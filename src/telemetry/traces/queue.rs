//! A bounded queue of ended spans, and a task that exports them in batches.
//!
//! The SDK's own batch processor drops spans without counting them; here the fate of each is counted.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanExporter, SpanProcessor};
use strum::EnumCount;
use tokio::sync::mpsc::{self, Receiver, Sender, error::TrySendError};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::exporter::TIMEOUT;
use crate::model::SpanFate;

/// Maximum number of queued spans, of about a kilobyte each.
const QUEUE: usize = 4_096;
/// Maximum number of spans per batch.
const BATCH: usize = 512;
/// Interval between two exports.
const INTERVAL: Duration = Duration::from_secs(1);

/// Counts of spans by fate; clones share them.
#[derive(Debug, Clone, Default)]
pub struct SpanCounts(Arc<FateCounts>);

#[derive(Debug, Default)]
struct FateCounts {
    ended: AtomicU64,
    fates: [AtomicU64; SpanFate::COUNT],
}

impl SpanCounts {
    /// Number of spans with this fate.
    #[must_use]
    pub fn get(&self, fate: SpanFate) -> u64 {
        self.0.fates[fate as usize].load(Ordering::Relaxed)
    }

    fn add(&self, fate: SpanFate, n: usize) {
        self.0.fates[fate as usize].fetch_add(n as u64, Ordering::Relaxed);
    }

    /// Counts ended spans without a fate as stopped.
    fn settle(&self) {
        let ended = self.0.ended.load(Ordering::Relaxed);
        let known: u64 = SpanFate::ALL.iter().map(|fate| self.get(*fate)).sum();
        self.0.fates[SpanFate::Stopped as usize].fetch_add(ended.saturating_sub(known), Ordering::Relaxed);
    }
}

/// The sending end of the queue.
pub(super) struct Queue {
    spans: Sender<SpanData>,
    counts: SpanCounts,
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("counts", &self.counts).finish_non_exhaustive()
    }
}

impl SpanProcessor for Queue {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        self.counts.0.ended.fetch_add(1, Ordering::Relaxed);
        match self.spans.try_send(span) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => self.counts.add(SpanFate::QueueFull, 1),
            Err(TrySendError::Closed(_)) => self.counts.add(SpanFate::Stopped, 1),
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// The exporting task, and the means to end it.
#[derive(Debug)]
pub(super) struct Export {
    task: JoinHandle<()>,
    stop: CancellationToken,
    counts: SpanCounts,
}

/// A queue, and the task that exports its spans with `exporter`.
pub(super) fn open<E: SpanExporter + 'static>(exporter: E) -> (Queue, Export) {
    let (sender, spans) = mpsc::channel(QUEUE);
    let (counts, stop) = (SpanCounts::default(), CancellationToken::new());
    let worker = Worker { exporter, spans, counts: counts.clone(), failing: false };
    let task = tokio::spawn(worker.run(stop.clone()));
    (Queue { spans: sender, counts: counts.clone() }, Export { task, stop, counts })
}

impl Export {
    pub(super) fn counts(&self) -> SpanCounts {
        self.counts.clone()
    }

    /// Exports the queued spans, for at most `patience`.
    pub(super) async fn finish(mut self, patience: Duration) {
        self.stop.cancel();
        if tokio::time::timeout(patience, &mut self.task).await.is_err() {
            self.task.abort();
            // The task has been aborted.
            let _ = (&mut self.task).await;
        }
        self.counts.settle();
        let stopped = self.counts.get(SpanFate::Stopped);
        if stopped > 0 {
            tracing::warn!(spans = stopped, "the last spans were not exported in time");
        }
    }
}

struct Worker<E> {
    exporter: E,
    spans: Receiver<SpanData>,
    counts: SpanCounts,
    /// Whether the last export failed, which has been logged.
    failing: bool,
}

impl<E: SpanExporter> Worker<E> {
    async fn run(mut self, stop: CancellationToken) {
        loop {
            let goes_on = tokio::select! {
                () = stop.cancelled() => false,
                () = tokio::time::sleep(INTERVAL) => true,
            };
            if !goes_on {
                self.spans.close();
            }
            // Spans that arrive meanwhile are exported at the next interval, unless this is the end.
            let mut waiting = self.spans.len();
            while waiting > 0 {
                let mut batch = Vec::with_capacity(waiting.min(BATCH));
                if self.spans.recv_many(&mut batch, BATCH).await == 0 {
                    break;
                }
                waiting = waiting.saturating_sub(batch.len());
                self.export(batch).await;
            }
            if !goes_on {
                return;
            }
        }
    }

    async fn export(&mut self, batch: Vec<SpanData>) {
        let spans = batch.len();
        let outcome = match tokio::time::timeout(TIMEOUT, self.exporter.export(batch)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no answer within {} s", TIMEOUT.as_secs())),
        };
        match outcome {
            Ok(()) => {
                self.counts.add(SpanFate::Exported, spans);
                if std::mem::take(&mut self.failing) {
                    tracing::info!("the endpoint takes traces again");
                }
            }
            Err(error) => {
                self.counts.add(SpanFate::ExportFailed, spans);
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::warn!(%error, "the endpoint does not take traces; spans are dropped and counted");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use opentelemetry::trace::{Tracer as _, TracerProvider as _};
    use opentelemetry_sdk::error::OTelSdkError;
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use tokio::sync::Semaphore;

    use super::*;

    /// An endpoint that takes as many batches as it has permits, and fails while `broken`.
    #[derive(Debug, Clone, Default)]
    struct Endpoint(Arc<EndpointState>);

    #[derive(Debug)]
    struct EndpointState {
        permits: Semaphore,
        broken: AtomicBool,
        largest: AtomicU64,
    }

    impl Default for EndpointState {
        fn default() -> Self {
            Self { permits: Semaphore::new(0), broken: AtomicBool::new(false), largest: AtomicU64::new(0) }
        }
    }

    impl SpanExporter for Endpoint {
        async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
            self.0.permits.acquire().await.unwrap().forget();
            self.0.largest.fetch_max(batch.len() as u64, Ordering::Relaxed);
            let broken = self.0.broken.load(Ordering::Relaxed);
            if broken { Err(OTelSdkError::InternalFailure("refused".into())) } else { Ok(()) }
        }
    }

    fn started(endpoint: &Endpoint) -> (SdkTracerProvider, Export) {
        let (queue, export) = open(endpoint.clone());
        (SdkTracerProvider::builder().with_span_processor(queue).build(), export)
    }

    fn spans(provider: &SdkTracerProvider, n: usize) {
        let tracer = provider.tracer("test");
        (0..n).for_each(|_| drop(tracer.start("span")));
    }

    fn fates(counts: &SpanCounts) -> [u64; SpanFate::COUNT] {
        std::array::from_fn(|i| counts.get(SpanFate::ALL[i]))
    }

    #[tokio::test(start_paused = true)]
    async fn spans_go_in_batches_and_the_rest_at_the_end() {
        let endpoint = Endpoint::default();
        endpoint.0.permits.add_permits(100);
        let (provider, export) = started(&endpoint);
        let counts = export.counts();
        spans(&provider, 1_200);
        tokio::time::sleep(INTERVAL * 2).await;
        assert_eq!(fates(&counts), [1_200, 0, 0, 0]);
        assert_eq!(endpoint.0.largest.load(Ordering::Relaxed), BATCH as u64);
        spans(&provider, 7);
        export.finish(Duration::from_secs(2)).await;
        assert_eq!(fates(&counts), [1_207, 0, 0, 0]);
        spans(&provider, 1);
        assert_eq!(fates(&counts), [1_207, 0, 0, 1]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stuck_endpoint_costs_its_spans_and_never_a_wait() {
        let endpoint = Endpoint::default();
        let (provider, export) = started(&endpoint);
        let counts = export.counts();
        let began = tokio::time::Instant::now();
        spans(&provider, QUEUE + 100);
        assert_eq!(began.elapsed(), Duration::ZERO);
        assert_eq!(fates(&counts), [0, 100, 0, 0]);
        tokio::time::sleep(INTERVAL + TIMEOUT + INTERVAL).await;
        assert_eq!(counts.get(SpanFate::ExportFailed), BATCH as u64);
        let stopping = tokio::time::Instant::now();
        export.finish(Duration::from_secs(2)).await;
        assert_eq!(stopping.elapsed(), Duration::from_secs(2));
        assert_eq!(fates(&counts).iter().sum::<u64>(), QUEUE as u64 + 100, "every span has a fate");
    }

    #[tokio::test(start_paused = true)]
    async fn a_broken_endpoint_is_counted_until_it_is_well() {
        let endpoint = Endpoint::default();
        endpoint.0.permits.add_permits(100);
        endpoint.0.broken.store(true, Ordering::Relaxed);
        let (provider, export) = started(&endpoint);
        spans(&provider, 3);
        tokio::time::sleep(INTERVAL * 2).await;
        endpoint.0.broken.store(false, Ordering::Relaxed);
        spans(&provider, 2);
        tokio::time::sleep(INTERVAL * 2).await;
        assert_eq!(fates(&export.counts()), [2, 0, 3, 0]);
    }
}
