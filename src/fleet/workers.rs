//! The threads that users run on: one per processor, each with its own runtime.
//!
//! On a runtime whose threads share their work, every few reads one thread wakes another, which takes half
//! of the work and goes back to sleep; that is much of the cost of a delivery
//! (`docs/decisions/0008-users-run-on-worker-threads.md`). Users are many and alike, so they are spread
//! evenly once. Everything else (schedule, verdicts, metrics) stays on the runtime that started it, and
//! reads do not delay it.
//!
//! A busy worker polls for reads only every quarter of a millisecond, so that it finds several sockets at
//! once instead of waking for each (`docs/decisions/0009-a-busy-worker-pauses.md`).

use std::future::Future;
use std::io;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::model::UserIndex;
use crate::schedule::limit::Limit;

/// Longest wait of an ending worker for blocking calls (name look-ups).
const SHUTDOWN: Duration = Duration::from_secs(2);

/// Wake-ups per second of a busy worker. Reads in between wait for at most a 4,000th of a second, plus the
/// error of the system's timer (some 50 µs on Linux).
const WAKES: f64 = 4_000.0;
/// Extra wake-ups allowed in a row, so that a worker with little to do is never late.
const WAKES_AT_ONCE: NonZeroU32 = NonZeroU32::MIN.saturating_add(15);

/// The runtimes that users run on: workers, or the runtime that starts them.
#[derive(Debug, Clone, Default)]
pub struct Workers(Arc<[Handle]>);

impl Workers {
    /// The runtimes.
    #[must_use]
    pub fn handles(&self) -> &[Handle] {
        &self.0
    }

    /// Starts a user's task on its worker.
    pub fn spawn<F>(&self, tasks: &TaskTracker, user: UserIndex, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        match self.0.get(user.get() % self.0.len().max(1)) {
            Some(worker) => tasks.spawn_on(task, worker),
            None => tasks.spawn(task),
        };
    }
}

/// Running workers. Dropping it ends their threads and the remaining tasks.
#[derive(Debug)]
pub struct Running {
    workers: Workers,
    threads: Vec<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl Running {
    /// Starts one worker per processor that this process may use.
    ///
    /// # Errors
    /// If the system gives no thread or no descriptors for one.
    pub fn start() -> io::Result<Self> {
        let clock = Clock::start();
        let count = std::thread::available_parallelism()?.get();
        let mut handles = Vec::with_capacity(count);
        let mut threads = Vec::with_capacity(count);
        for _ in 0..count {
            let wakes = Limit::with_burst(WAKES, WAKES_AT_ONCE, clock);
            let runtime = Builder::new_current_thread()
                .enable_all()
                .thread_name("soakrig-user")
                .on_thread_park(move || wakes.wait())
                .build()?;
            handles.push(runtime.handle().clone());
            let (end, ended) = oneshot::channel::<()>();
            let thread = std::thread::Builder::new().name("soakrig-users".to_owned()).spawn(move || {
                // An error means that the sender is gone, which also ends the worker.
                let _ = runtime.block_on(ended);
                runtime.shutdown_timeout(SHUTDOWN);
            })?;
            threads.push((end, thread));
        }
        Ok(Self { workers: Workers(handles.into()), threads })
    }

    /// The workers.
    #[must_use]
    pub fn workers(&self) -> Workers {
        self.workers.clone()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let threads: Vec<_> = self.threads.drain(..).map(|(_end, thread)| thread).collect();
        for thread in threads {
            // The panic hook has logged any panic of a worker.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Mutex;

    use super::*;

    #[tokio::test]
    async fn users_are_spread_evenly_and_stay_where_they_are() {
        let running = Running::start().unwrap();
        let workers = running.workers();
        let tasks = TaskTracker::new();
        let seen = Arc::new(Mutex::new(HashSet::new()));
        for user in 0..64 {
            let seen = Arc::clone(&seen);
            workers.spawn(&tasks, UserIndex(user), async move {
                let begun = std::thread::current().id();
                tokio::time::sleep(Duration::from_millis(5)).await;
                assert_eq!(std::thread::current().id(), begun);
                seen.lock().unwrap().insert(begun);
            });
        }
        tasks.close();
        tasks.wait().await;
        assert_eq!(seen.lock().unwrap().len(), workers.handles().len());
        assert!(!seen.lock().unwrap().contains(&std::thread::current().id()));
    }

    #[tokio::test]
    async fn tasks_end_with_their_worker() {
        let running = Running::start().unwrap();
        let tasks = TaskTracker::new();
        running.workers().spawn(&tasks, UserIndex(0), std::future::pending());
        assert_eq!(tasks.len(), 1);
        drop(running);
        assert!(tasks.is_empty());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_busy_worker_wakes_only_so_often() {
        let begin = std::time::Instant::now();
        let running = Running::start().unwrap();
        let worker = running.workers().handles()[0].clone();
        let mut wakeups = 0_u64;
        while wakeups < 2_000 {
            worker.spawn(std::future::ready(())).await.unwrap();
            wakeups += 1;
        }
        let woken = worker.metrics().worker_park_count(0);
        let granted = begin.elapsed().as_secs_f64() * WAKES + f64::from(WAKES_AT_ONCE.get());
        assert!(woken as f64 <= granted + 1.0, "{woken} times for {wakeups} wakeups, {granted} are granted");
    }

    #[tokio::test]
    async fn without_workers_a_user_runs_on_the_current_thread() {
        let (tasks, here) = (TaskTracker::new(), std::thread::current().id());
        Workers::default().spawn(&tasks, UserIndex(3), async move { assert_eq!(std::thread::current().id(), here) });
        tasks.close();
        tasks.wait().await;
    }
}
