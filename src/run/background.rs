//! What goes on beside the load: verdicts, reports of log lines left out. Each task runs until its
//! token is cancelled.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;
use crate::protocol::Driver;
use crate::telemetry::Logs;
use crate::user::RunContext;

/// Between two sweeps of the ledger.
const SWEEP: Duration = Duration::from_millis(250);
/// Between two reports of log lines that were left out.
const SUPPRESSED: Duration = Duration::from_secs(10);

/// Waits for one interval; false once `until` is cancelled.
pub(crate) async fn ticks(every: Duration, until: &CancellationToken) -> bool {
    tokio::select! {
        biased;
        () = until.cancelled() => false,
        () = tokio::time::sleep(every) => true,
    }
}

/// Passes verdicts as they fall due.
pub(crate) async fn sweep<D: Driver>(context: Arc<RunContext<D>>, until: CancellationToken) {
    while ticks(SWEEP, &until).await {
        context.sweep();
    }
}

/// Tells now and then how many log lines were left out.
pub(crate) async fn report_suppressed(metrics: Arc<Metrics>, logs: Logs, until: CancellationToken) {
    loop {
        let goes_on = ticks(SUPPRESSED, &until).await;
        metrics.logs_suppressed(logs.report_suppressed());
        if !goes_on {
            return;
        }
    }
}
