//! The ramp: one user first, to see whether the target takes users, then all the others
//! at a steady rate. Owns every user's task.

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

/// How long the first user may keep the others waiting: its form, its page and its handshake may each
/// take the default `--http-timeout` of 30 s.
const FIRST_USER_TIMEOUT: Duration = Duration::from_secs(90);
/// Between two checks of whether all users have ended: short beside the seconds that closing takes.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// All users of a generator.
pub struct Fleet<D> {
    context: Arc<RunContext<D>>,
    tasks: TaskTracker,
    workers: Workers,
    ramped: Arc<AtomicBool>,
    /// Users below this number were started, and not recalled since.
    started: AtomicU32,
}

impl<D: Driver> Fleet<D> {
    /// A fleet of which no user has started; its users run on the runtime that starts them.
    #[must_use]
    pub fn new(context: Arc<RunContext<D>>) -> Self {
        let (tasks, workers) = (TaskTracker::new(), Workers::default());
        Self { context, tasks, workers, ramped: Arc::default(), started: AtomicU32::new(0) }
    }

    /// The same fleet, whose users run on `workers`.
    #[must_use]
    pub fn on(self, workers: Workers) -> Self {
        Self { workers, ..self }
    }

    /// Set once every user was started and its first attempt is over, well or badly.
    #[must_use]
    pub fn ramped(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.ramped)
    }

    /// Starts one user, and waits for how that goes.
    ///
    /// # Errors
    /// The failure that no waiting mends: refused account, no such room, room closed or full.
    pub async fn first(&self) -> Result<(), Failure> {
        if self.context.roster.is_empty() {
            return Ok(());
        }
        let (tell, heard) = oneshot::channel();
        self.start(UserIndex(0), Some(tell));
        match tokio::time::timeout(FIRST_USER_TIMEOUT, heard).await {
            Ok(Ok(Err(failure))) if failure.class.refuses_run() => Err(failure),
            // Connected, or a trouble that may pass, or a stop.
            _ => Ok(()),
        }
    }

    /// Starts the others who are to be held, `per_second` a second, and returns when all first attempts are
    /// over or the context stops.
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

    /// Starts users and has users leave, `per_second` a second, as their number is changed; returns when
    /// the context stops.
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

    /// How many users are to be held.
    fn target(&self) -> u32 {
        u32::try_from(self.context.roster.target()).unwrap_or(u32::MAX)
    }

    /// Waits until `at`; whether the context stops before.
    async fn stops_before(&self, at: Instant) -> bool {
        tokio::select! {
            biased;
            () = self.context.stopping.cancelled() => true,
            () = tokio::time::sleep_until(at) => false,
        }
    }

    /// Has the last of the users leave for good.
    fn recall(&self, user: u32) {
        self.started.store(user, Ordering::Relaxed);
        self.context.roster.recall_from(Some(UserIndex(user)));
    }

    /// Starts a user who may have been recalled, once it has left; whether the context stops before.
    async fn begins_again(&self, user: UserIndex) -> bool {
        while self.context.roster.is_under_way(user) {
            if self.stops_before(Instant::now() + POLL_INTERVAL).await {
                return true;
            }
        }
        // Only now: who is still leaving must not take it back.
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

    /// Waits until every user's task and breakout has ended, at most `patience`. True if all did.
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
