//! Tasks beside the load: passing verdicts, reporting suppressed log lines. Each runs until its token
//! is cancelled.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;
use crate::protocol::Driver;
use crate::telemetry::Logs;
use crate::user::RunContext;

/// Interval between two sweeps of the ledger.
const SWEEP: Duration = Duration::from_millis(250);
/// Interval between two reports of suppressed log lines.
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

/// Reports the number of suppressed log lines every ten seconds.
pub(crate) async fn report_suppressed(metrics: Arc<Metrics>, logs: Logs, until: CancellationToken) {
    loop {
        let goes_on = ticks(SUPPRESSED, &until).await;
        metrics.logs_suppressed(logs.report_suppressed());
        if !goes_on {
            return;
        }
    }
}
