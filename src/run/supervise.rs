//! Tasks that a run cannot do without: a panic is caught and counted, and the task starts again.
//!
//! The users' tasks guard themselves; these are the schedule and the tasks beside the load.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;
use crate::model::{FailureKind, Stage};

/// Pause between a panic and the restart, so that a bug that strikes every time does not spin.
const PAUSE: Duration = Duration::from_secs(1);

/// Runs a task until it returns; after a panic `begin` creates a new one, unless `until` is cancelled.
pub(crate) fn spawn<F>(
    metrics: &Arc<Metrics>,
    name: &'static str,
    until: CancellationToken,
    mut begin: impl FnMut() -> F + Send + 'static,
) -> JoinHandle<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    let metrics = Arc::clone(metrics);
    tokio::spawn(async move {
        while caught(&metrics, name, async { begin().await }).await.is_none() && !until.is_cancelled() {
            tokio::select! {
                () = until.cancelled() => {}
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    })
}

/// Runs a task that cannot be restarted; returns its result, or `None` after a panic.
pub(crate) async fn caught<T>(metrics: &Metrics, name: &'static str, task: impl Future<Output = T>) -> Option<T> {
    let done = AssertUnwindSafe(task).catch_unwind().await.ok();
    if done.is_none() {
        // The panic hook has logged the place.
        metrics.error(Stage::Receive, FailureKind::Panic);
        tracing::error!(task = name, "a bug in soakrig ended one of its tasks");
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Vocabulary;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[tokio::test(start_paused = true)]
    async fn a_task_restarts_after_a_panic_and_each_panic_is_counted() {
        let metrics = Arc::new(Metrics::new(Vocabulary::COMMON).unwrap());
        let begun = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&begun);
        let task = spawn(&metrics, "test", CancellationToken::new(), move || {
            let begun = count.fetch_add(1, Ordering::Relaxed);
            async move { assert!(begun >= 3, "a defect") }
        });
        task.await.unwrap();
        assert_eq!(begun.load(Ordering::Relaxed), 4);
        assert!(metrics.encode().unwrap().contains(r#"soakrig_errors_total{stage="receive",kind="panic"} 3"#));
    }

    #[tokio::test(start_paused = true)]
    async fn at_the_stop_a_broken_task_is_left() {
        let metrics = Arc::new(Metrics::new(Vocabulary::COMMON).unwrap());
        let until = CancellationToken::new();
        let task = spawn(&metrics, "test", until.clone(), || async { panic!("a defect") });
        tokio::time::sleep(Duration::from_secs(10)).await;
        until.cancel();
        task.await.unwrap();
    }
}
