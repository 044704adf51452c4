//! What every task of a target shares: accounts, halls, counters, options.
//!
//! Holds state and answers small questions about it; speaks no protocol.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::accounts::{Accounts, User};
use super::counts::{Counts, Tally};
use super::hall::Hall;
use super::options::Options;

/// A target's state.
pub(super) struct World {
    pub options: Options,
    pub tally: Arc<Tally>,
    pub accounts: Mutex<Accounts>,
    pub halls: Vec<Hall>,
    /// Address of everybody's avatar.
    pub image: Arc<str>,
    /// Ends every task.
    pub stop: CancellationToken,
    sockets: AtomicU64,
}

impl World {
    pub(super) fn new(
        options: Options,
        tally: Arc<Tally>,
        halls: Vec<Hall>,
        image: Arc<str>,
        stop: CancellationToken,
    ) -> Self {
        let accounts = Mutex::new(Accounts::new(options.timing.lock));
        Self { options, tally, accounts, halls, image, stop, sockets: AtomicU64::new(0) }
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
        counts
    }

    /// The time that locks are measured by.
    pub(super) fn now(&self) -> Instant {
        Instant::now()
    }
}
