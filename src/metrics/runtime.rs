//! Figures of the async runtime: workers, tasks, queue, busy time.

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use tokio::runtime::Handle;

use crate::metrics::families::{TOKIO_ALIVE_TASKS, TOKIO_GLOBAL_QUEUE_DEPTH, TOKIO_WORKER_BUSY, TOKIO_WORKERS};
use crate::metrics::sample;

pub(crate) struct RuntimeCollector {
    runtime: Handle,
    descs: Vec<Desc>,
}

impl RuntimeCollector {
    pub(crate) fn new(runtime: Handle) -> prometheus::Result<Self> {
        let families = [&TOKIO_WORKERS, &TOKIO_ALIVE_TASKS, &TOKIO_GLOBAL_QUEUE_DEPTH, &TOKIO_WORKER_BUSY];
        let descs = families.iter().map(|family| sample::desc(family)).collect::<prometheus::Result<_>>()?;
        Ok(Self { runtime, descs })
    }
}

impl Collector for RuntimeCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let figures = self.runtime.metrics();
        let busy = (0..figures.num_workers()).map(|worker| {
            let seconds = figures.worker_total_busy_duration(worker).as_secs_f64();
            sample::number(&TOKIO_WORKER_BUSY, &[&worker.to_string()], seconds)
        });
        vec![
            sample::single(&TOKIO_WORKERS, figures.num_workers() as f64),
            sample::single(&TOKIO_ALIVE_TASKS, figures.num_alive_tasks() as f64),
            sample::single(&TOKIO_GLOBAL_QUEUE_DEPTH, figures.global_queue_depth() as f64),
            sample::of(&TOKIO_WORKER_BUSY, busy.collect()),
        ]
    }
}
