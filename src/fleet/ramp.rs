//! The ramp: one user first, to see whether the target takes users, then all others at a steady rate. Owns
//! every user's task.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::workers::Workers;
use crate::model::{Failure, UserIndex};
use crate::protocol::Driver;
use crate::user::{RunContext, run_user};

/// Longest time for which the first user may keep the others waiting: its form, its page and its handshake may
/// each take the default `--http-timeout` of 30 s.
const FIRST_USER_TIMEOUT: Duration = Duration::from_secs(90);
/// Interval between two checks of whether all users have ended; short compared with the seconds that closing
/// takes.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// All users of a generator.
pub struct Fleet<D> {
    context: Arc<RunContext<D>>,
    tasks: TaskTracker,
    workers: Workers,
    ramped: Arc<AtomicBool>,
    /// Users below this number have started and were not recalled.
    started: AtomicU32,
}

impl<D: Driver> Fleet<D> {
    /// A fleet without started users; its users run on the runtime that starts them.
    #[must_use]
    pub fn new(context: Arc<RunContext<D>>) -> Self {
        let (tasks, workers) = (TaskTracker::new(), Workers::default());
        Self { context, tasks, workers, ramped: Arc::default(), started: AtomicU32::new(0) }
    }

    /// Makes users run on `workers`.
    #[must_use]
    pub fn on(self, workers: Workers) -> Self {
        Self { workers, ..self }
    }

    /// Set once every user has started and its first attempt has succeeded or failed.
    #[must_use]
    pub fn ramped(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.ramped)
    }

    /// Starts one user, and waits for the outcome.
    ///
    /// # Errors
    /// A failure that waiting does not cure: refused account, no such room, room closed or full.
    pub async fn first(&self) -> Result<(), Failure> {
        if self.context.roster.is_empty() {
            return Ok(());
        }
        let (tell, heard) = oneshot::channel();
        self.start(UserIndex(0), Some(tell));
        match tokio::time::timeout(FIRST_USER_TIMEOUT, heard).await {
            Ok(Ok(Err(failure))) if failure.class.refuses_run() => Err(failure),
            // Connected, a temporary failure, or a stop.
            _ => Ok(()),
        }
    }

    /// Starts the other users to hold, `per_second` per second, and returns when all first attempts are over or
    /// the context stops.
    pub async fn others(&self, per_second: f64) {
        let begin = Instant::now();
        loop {
            let user = self.started.load(Ordering::Relaxed);
            if user >= self.target() {
                break;
            }
            let at = begin + Duration::try_from_secs_f64(f64::from(user) / per_second).unwrap_or(Duration::MAX / 4);
            if self.stops_before(at).await {
                return;
            }
            self.start(UserIndex(user), None);
        }
        while self.context.first_attempts_over.load(Ordering::Relaxed) < self.started.load(Ordering::Relaxed) as usize {
            if self.stops_before(Instant::now() + POLL_INTERVAL).await {
                return;
            }
        }
        self.ramped.store(true, Ordering::Relaxed);
    }

    /// Follows changes of the number of users: starts users or makes them leave, `per_second` per second. Returns
    /// when the context stops.
    pub async fn follow(&self, per_second: f64) {
        let gap = Duration::try_from_secs_f64(1.0 / per_second).unwrap_or(Duration::MAX / 4);
        let mut at = Instant::now();
        loop {
            let (started, target) = (self.started.load(Ordering::Relaxed), self.target());
            if started == target {
                tokio::select! {
                    biased;
                    () = self.context.stopping.cancelled() => return,
                    () = self.context.roster.retargeted() => {}
                }
                at = Instant::now();
                continue;
            }
            if started > target {
                self.recall(started - 1);
            } else if self.begins_again(UserIndex(started)).await {
                return;
            }
            at = (at + gap).max(Instant::now());
            if self.stops_before(at).await {
                return;
            }
        }
    }

    /// The number of users to hold.
    fn target(&self) -> u32 {
        u32::try_from(self.context.roster.target()).unwrap_or(u32::MAX)
    }

    /// Waits until `at`; true if the context stops before.
    async fn stops_before(&self, at: Instant) -> bool {
        tokio::select! {
            biased;
            () = self.context.stopping.cancelled() => true,
            () = tokio::time::sleep_until(at) => false,
        }
    }

    /// Makes the last user leave for good.
    fn recall(&self, user: u32) {
        self.started.store(user, Ordering::Relaxed);
        self.context.roster.recall_from(Some(UserIndex(user)));
    }

    /// Starts a user who may have been recalled, once it has left; true if the context stops before.
    async fn begins_again(&self, user: UserIndex) -> bool {
        while self.context.roster.is_under_way(user) {
            if self.stops_before(Instant::now() + POLL_INTERVAL).await {
                return true;
            }
        }
        // Only now, so that a user who is still leaving does not see it.
        self.context.roster.recall_from(Some(UserIndex(user.0 + 1)));
        self.start(user, None);
        false
    }

    fn start(&self, user: UserIndex, tell: Option<oneshot::Sender<Result<(), Failure>>>) {
        let context = Arc::clone(&self.context);
        self.started.store(user.0 + 1, Ordering::Relaxed);
        context.roster.set_under_way(user, true);
        self.workers.spawn(&self.tasks, user, async move {
            run_user(Arc::clone(&context), user, tell).await;
            context.roster.set_under_way(user, false);
        });
    }

    /// Waits until every user's task and side room has ended, for at most `patience`. True if all have.
    pub async fn ended(&self, patience: Duration) -> bool {
        self.tasks.close();
        self.context.side_room_visits.close();
        let all = async {
            self.tasks.wait().await;
            self.context.side_room_visits.wait().await;
        };
        tokio::time::timeout(patience, all).await.is_ok()
    }
}
