//! What every task of a target shares: accounts, halls, counters, options.
//!
//! Holds state and answers small questions about it; speaks no protocol.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::accounts::{Accounts, User};
use super::counts::{Counts, Tally};
use super::faults::Fault;
use super::faults::desk::Desk;
use super::hall::{Hall, Setting};
use super::options::{Options, PresenceMode};
use super::peer::Habits;
use super::recorder::Recorder;

/// A target's state.
pub(super) struct World {
    pub options: Options,
    pub tally: Arc<Tally>,
    pub accounts: Mutex<Accounts>,
    pub halls: Vec<Hall>,
    /// Address of everybody's avatar.
    pub image: Arc<str>,
    pub desk: Arc<Desk>,
    /// What all sockets have in common.
    pub habits: Arc<Habits>,
    /// Ends every task.
    pub stop: CancellationToken,
    sockets: AtomicU64,
}

impl World {
    /// The world of a target that begins; `setting` is what its halls were given.
    pub(super) fn new(options: Options, setting: Setting, halls: Vec<Hall>, stop: CancellationToken) -> Self {
        let Setting { tally, desk, image, .. } = setting;
        let recorder = (options.record > 0).then(|| Recorder::new(desk.epoch, options.record));
        let habits = Habits {
            replace_presence: matches!(options.presence, PresenceMode::Batched(_)),
            limit: options.queue,
            tally: Arc::clone(&tally),
            desk: Arc::clone(&desk),
            recorder,
        };
        let accounts = Mutex::new(Accounts::new(options.timing.lock));
        let (habits, sockets) = (Arc::new(habits), AtomicU64::new(0));
        Self { options, tally, accounts, halls, image, desk, habits, stop, sockets }
    }

    /// Returns at once, or where the target stands still, when it goes on or stops.
    pub(super) async fn pass(&self) {
        tokio::select! {
            biased;
            () = self.desk.pass() => {}
            () = self.stop.cancelled() => {}
        }
    }

    /// Returns `grace` after the stop.
    pub(super) async fn stopped_for(&self, grace: Duration) {
        self.stop.cancelled().await;
        tokio::time::sleep(grace).await;
    }

    /// A socket's number, from 1.
    pub(super) fn next_socket(&self) -> u64 {
        self.sockets.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Who a session cookie stands for.
    pub(super) fn session(&self, cookie: &str) -> Option<Arc<User>> {
        self.accounts.lock().session(cookie)
    }

    /// The hall of a slug.
    pub(super) fn hall(&self, slug: &str) -> Option<&Hall> {
        self.halls.iter().find(|hall| hall.plenary.slug == slug)
    }

    /// The hall that has the breakout `id`.
    pub(super) fn hall_of_breakout(&self, id: u64) -> Option<&Hall> {
        self.halls.iter().find(|hall| hall.plenary.breakouts.iter().any(|breakout| breakout.id == id))
    }

    /// A reading of all counters.
    pub(super) fn counts(&self) -> Counts {
        let mut counts = self.tally.read();
        counts.accounts.now = self.accounts.lock().len() as u64;
        counts.injected = self.desk.injected.read();
        counts
    }

    /// Forgets every session; how many there were.
    pub(super) fn forget_sessions(&self) -> u64 {
        let forgotten = self.accounts.lock().forget_sessions();
        self.desk.injected.add(Fault::ForgetSession, forgotten);
        forgotten
    }

    /// The time that locks are measured by.
    pub(super) fn now(&self) -> Instant {
        Instant::now()
    }
}
