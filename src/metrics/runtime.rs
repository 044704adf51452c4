//! Figures of all async runtimes together: workers, tasks, queues, busy time.

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use tokio::runtime::{Handle, RuntimeMetrics};

use crate::metrics::families::{TOKIO_ALIVE_TASKS, TOKIO_GLOBAL_QUEUE_DEPTH, TOKIO_WORKER_BUSY, TOKIO_WORKERS};
use crate::metrics::sample;

pub(crate) struct RuntimeCollector {
    runtimes: Vec<Handle>,
    descs: Vec<Desc>,
}

impl RuntimeCollector {
    pub(crate) fn new(runtimes: Vec<Handle>) -> prometheus::Result<Self> {
        let families = [&TOKIO_WORKERS, &TOKIO_ALIVE_TASKS, &TOKIO_GLOBAL_QUEUE_DEPTH, &TOKIO_WORKER_BUSY];
        let descs = families.iter().map(|family| sample::desc(family)).collect::<prometheus::Result<_>>()?;
        Ok(Self { runtimes, descs })
    }
}

impl Collector for RuntimeCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let figures: Vec<_> = self.runtimes.iter().map(Handle::metrics).collect();
        let sum = |of: fn(&RuntimeMetrics) -> usize| figures.iter().map(of).sum::<usize>() as f64;
        let busy = figures.iter().flat_map(|runtime| {
            (0..runtime.num_workers()).map(|worker| runtime.worker_total_busy_duration(worker).as_secs_f64())
        });
        let busy = busy
            .enumerate()
            .map(|(worker, seconds)| sample::number(&TOKIO_WORKER_BUSY, &[&worker.to_string()], seconds));
        vec![
            sample::single(&TOKIO_WORKERS, sum(RuntimeMetrics::num_workers)),
            sample::single(&TOKIO_ALIVE_TASKS, sum(RuntimeMetrics::num_alive_tasks)),
            sample::single(&TOKIO_GLOBAL_QUEUE_DEPTH, sum(RuntimeMetrics::global_queue_depth)),
            sample::of(&TOKIO_WORKER_BUSY, busy.collect()),
        ]
    }
}
