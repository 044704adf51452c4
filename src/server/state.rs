//! What every task of a server shares: accounts, plenaries, counters, options.
//!
//! Holds state and looks things up in it; speaks no protocol.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::accounts::{Accounts, User};
use super::counts::{Counters, RoomCounts, ServerCounts};
use super::delivery_log::DeliveryLog;
use super::faults::Fault;
use super::faults::injector::FaultInjector;
use super::options::{Options, PresenceMode};
use super::plenary_handle::{PlenaryContext, PlenaryHandle};
use super::socket::SocketContext;

/// A server's state.
pub(super) struct ServerState {
    pub options: Options,
    pub counters: Arc<Counters>,
    pub accounts: Mutex<Accounts>,
    pub plenaries: Vec<PlenaryHandle>,
    /// The index of each plenary in that list, by slug.
    by_slug: HashMap<String, usize>,
    /// Address of every user's avatar.
    pub image: Arc<str>,
    pub injector: Arc<FaultInjector>,
    /// What all sockets share.
    pub socket_context: Arc<SocketContext>,
    /// Ends every task.
    pub stop: CancellationToken,
    sockets: AtomicU64,
}

impl ServerState {
    /// The state of a server that starts; `context` is what its plenaries were given.
    pub(super) fn new(
        options: Options,
        context: PlenaryContext,
        plenaries: Vec<PlenaryHandle>,
        stop: CancellationToken,
    ) -> Self {
        let PlenaryContext { counters, injector, image, .. } = context;
        let delivery_log = (options.record > 0).then(|| DeliveryLog::new(injector.clock, options.record));
        let socket_context = SocketContext {
            replace_presence: matches!(options.presence, PresenceMode::Batched(_)),
            limit: options.queue,
            counters: Arc::clone(&counters),
            injector: Arc::clone(&injector),
            delivery_log,
        };
        let accounts = Mutex::new(Accounts::new(options.timing.lock));
        let (socket_context, sockets) = (Arc::new(socket_context), AtomicU64::new(0));
        let by_slug = plenaries.iter().zip(0..).map(|(handle, at)| (handle.plenary.slug.to_string(), at)).collect();
        Self { options, counters, accounts, plenaries, by_slug, image, injector, socket_context, stop, sockets }
    }

    /// Returns at once, or after a stall, when the server goes on or stops.
    pub(super) async fn wait_while_stalled(&self) {
        tokio::select! {
            biased;
            () = self.injector.wait_while_stalled() => {}
            () = self.stop.cancelled() => {}
        }
    }

    /// Returns when `grace` has passed since the stop.
    pub(super) async fn stopped_for(&self, grace: Duration) {
        self.stop.cancelled().await;
        tokio::time::sleep(grace).await;
    }

    /// The next socket's number, from 1.
    pub(super) fn next_socket(&self) -> u64 {
        self.sockets.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The user of a session cookie.
    pub(super) fn session(&self, cookie: &str) -> Option<Arc<User>> {
        self.accounts.lock().session(cookie)
    }

    /// The plenary of a slug.
    pub(super) fn plenary(&self, slug: &str) -> Option<&PlenaryHandle> {
        self.plenaries.get(*self.by_slug.get(slug)?)
    }

    /// The plenary that has the breakout `id`.
    pub(super) fn plenary_of_breakout(&self, id: u64) -> Option<&PlenaryHandle> {
        self.plenaries.iter().find(|handle| handle.plenary.breakouts.iter().any(|breakout| breakout.id == id))
    }

    /// A reading of each plenary's counters.
    pub(super) fn rooms(&self) -> Vec<RoomCounts> {
        self.plenaries
            .iter()
            .map(|handle| RoomCounts {
                slug: handle.plenary.slug.to_string(),
                sockets_now: handle.counters.sockets_now.get(),
                chats: handle.counters.chats.get(),
                chats_due: handle.counters.chats_due.get(),
            })
            .collect()
    }

    /// A reading of all counters.
    pub(super) fn counts(&self) -> ServerCounts {
        let mut counts = self.counters.read();
        counts.accounts.now = self.accounts.lock().len() as u64;
        counts.injected = self.injector.injected.read();
        counts
    }

    /// Deletes every session; returns how many there were.
    pub(super) fn forget_sessions(&self) -> u64 {
        let forgotten = self.accounts.lock().forget_sessions();
        self.injector.injected.add(Fault::ForgetSession, forgotten);
        forgotten
    }

    /// The clock by which locks expire.
    pub(super) fn now(&self) -> Instant {
        Instant::now()
    }
}
