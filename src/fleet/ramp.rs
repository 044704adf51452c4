//! The ramp: one user first, to see whether the target takes users, then all the others
//! at a steady rate. Owns every user's task.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::oneshot;
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
}

impl<D: Driver> Fleet<D> {
    /// A fleet of which no user has started; its users run on the runtime that starts them.
    #[must_use]
    pub fn new(context: Arc<RunContext<D>>) -> Self {
        Self { context, tasks: TaskTracker::new(), workers: Workers::default(), ramped: Arc::default() }
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

    /// Starts the others, at `per_second`, and returns when all first attempts are over
    /// or the context stops.
    pub async fn others(&self, per_second: f64) {
        let users = u32::try_from(self.context.roster.len()).unwrap_or(u32::MAX);
        let begin = tokio::time::Instant::now();
        for user in 1..users {
            let at = begin + Duration::try_from_secs_f64(f64::from(user) / per_second).unwrap_or(Duration::MAX / 4);
            tokio::select! {
                biased;
                () = self.context.stopping.cancelled() => return,
                () = tokio::time::sleep_until(at) => {}
            }
            self.start(UserIndex(user), None);
        }
        while self.context.first_attempts_over.load(Ordering::Relaxed) < users as usize {
            tokio::select! {
                biased;
                () = self.context.stopping.cancelled() => return,
                () = tokio::time::sleep(POLL_INTERVAL) => {}
            }
        }
        self.ramped.store(true, Ordering::Relaxed);
    }

    fn start(&self, user: UserIndex, tell: Option<oneshot::Sender<Result<(), Failure>>>) {
        self.workers.spawn(&self.tasks, user, run_user(Arc::clone(&self.context), user, tell));
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
