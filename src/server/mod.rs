//! The embedded plenary server: it serves the real protocol from memory, and counts everything.
//!
//! It checks the rig, so it shares no wire code with the drivers. One task per client connection
//! (`listener`, `socket_task`) and one per plenary (`plenary_task`); [`Server`] owns them all.
//!
//! | file | what it is for |
//! | --- | --- |
//! | `options` | how a server is started |
//! | `listener`, `site/` | accepting connections; pages, forms, upgrades |
//! | `socket_task`, `socket`, `frame` | a WebSocket's task, its outbox, its bytes |
//! | `plenary_handle`, `plenary_task`, `channel`, `members`, `breakouts` | who is present where, and broadcasts |
//! | `wire`, `client_message`, `json`, `sanitise` | messages, written as the application writes them |
//! | `accounts`, `password`, `csrf` | accounts, the session store, the rules of the forms |
//! | `plenary` | the plenaries of a server |
//! | `state`, `counts`, `delivery_log` | what all tasks share, what is counted, what was written when |
//! | [`proxy`] | a TCP proxy that degrades the network, for tests |
//! | `chat`, `broadcast`, `delay_queue` | chats, and their deliveries with the faults injected into each |
//! | `faults/`, `control` | injected faults, and how to change them while the server runs |

mod accounts;
mod breakouts;
mod broadcast;
mod channel;
mod chat;
mod client_message;
mod control;
mod counts;
mod csrf;
mod delay_queue;
mod delivery_log;
mod faults;
mod frame;
mod json;
mod listener;
mod members;
mod options;
mod password;
mod plenary;
mod plenary_handle;
mod plenary_task;
pub mod proxy;
mod sanitise;
mod site;
mod socket;
mod socket_task;
mod state;
mod wire;

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use control::FaultAction;
pub use counts::{AccountCounts, HttpCounts, ReceivedCounts, RoomCounts, SentCounts, ServerCounts, SocketCounts};
pub use delivery_log::WrittenDelivery;
pub use faults::{
    ChatFaults, DriftRate, Fault, Faults, Frequency, HttpFaults, Injection, InvalidDriftRate, InvalidFault,
    InvalidFrequency, PresenceFaults, Scope, SocketFaults,
};
pub use options::{Options, PresenceMode, Timing};

use counts::Counters;
use faults::injector::FaultInjector;
use plenary_handle::PlenaryContext;
use plenary_task::PlenaryTask;
use state::ServerState;

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The server cannot listen on the address.
    #[error("cannot listen on {addr}: {source}; choose another address, or port 0 for a free one")]
    Listen {
        /// The requested address.
        addr: SocketAddr,
        /// The system's error.
        source: io::Error,
    },
    /// The prefix is not a path.
    #[error("--prefix `{0}` is not a path such as `/chat`: it begins with a slash and ends without one")]
    Prefix(String),
    /// A fault setting is out of range.
    #[error("fault setting {0}")]
    Fault(#[from] InvalidFault),
    /// The control address is not a loopback address.
    #[error("--control {0} is not a loopback address such as 127.0.0.1:0")]
    Control(SocketAddr),
}

/// A running server. Dropping it aborts its tasks; [`stop`](Self::stop) closes its sockets first.
pub struct Server {
    addr: SocketAddr,
    control: Option<SocketAddr>,
    state: Arc<ServerState>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

/// Starts a server: listens, and serves from tasks of its own.
///
/// # Errors
/// If it cannot listen on an address, the prefix is not a path, or a fault setting is out of range.
pub async fn serve(options: Options) -> Result<Server, ServerError> {
    check(&options)?;
    let (listener, addr) = listen(options.listen).await?;
    let control = match options.control {
        Some(control) => Some(listen(control).await?),
        None => None,
    };
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    let state = Arc::new(build_state(options, addr, &stop, &mut tasks)?);
    tasks.spawn(listener::serve(Arc::clone(&state), listener));
    let control = control.map(|(listener, addr)| {
        tasks.spawn(control::serve(Arc::clone(&state), listener));
        addr
    });
    Ok(Server { addr, control, state, stop, tasks })
}

fn check(options: &Options) -> Result<(), ServerError> {
    let prefix = &options.prefix;
    if !prefix.is_empty() && (!prefix.starts_with('/') || prefix.ends_with('/') || !prefix.is_ascii()) {
        return Err(ServerError::Prefix(prefix.clone()));
    }
    match options.control {
        Some(control) if !control.ip().is_loopback() => Err(ServerError::Control(control)),
        _ => Ok(()),
    }
}

async fn listen(addr: SocketAddr) -> Result<(TcpListener, SocketAddr), ServerError> {
    let failed = |source| ServerError::Listen { addr, source };
    let listener = listener::listen(addr).await.map_err(failed)?;
    let addr = listener.local_addr().map_err(failed)?;
    Ok((listener, addr))
}

/// Starts a task for each plenary and builds the state that all tasks share.
fn build_state(
    options: Options,
    addr: SocketAddr,
    stop: &CancellationToken,
    tasks: &mut JoinSet<()>,
) -> Result<ServerState, ServerError> {
    let context = PlenaryContext {
        counters: Arc::new(Counters::default()),
        injector: Arc::new(FaultInjector::new(options.faults.clone(), options.injections)?),
        presence: options.presence,
        timing: options.timing,
        image: format!("http://{addr}{}/media/assets/default_avatar.jpg", options.prefix).into(),
        chat_ids: Arc::new(AtomicU64::new(0)),
        plenaries: Arc::new(OnceLock::new()),
    };
    let mut plenaries = Vec::new();
    let now = SystemTime::now();
    for plenary in plenary::all(now).into_iter().chain(plenary::numbered(options.rooms.clone(), now)) {
        let (handle, task) = PlenaryTask::new(plenary, context.clone());
        plenaries.push(handle);
        tasks.spawn(task.run(stop.clone()));
    }
    // Nothing else sets it, so it is empty.
    let _ = context.plenaries.set(plenaries.clone());
    Ok(ServerState::new(options, context, plenaries, stop.clone()))
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Server({})", self.addr)
    }
}

impl Server {
    /// The address it listens on, with the port that was picked.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The control address, if there is one, with the port that was picked.
    #[must_use]
    pub fn control(&self) -> Option<SocketAddr> {
        self.control
    }

    /// The counts since the start.
    #[must_use]
    pub fn counts(&self) -> ServerCounts {
        self.state.counts()
    }

    /// The counts of each plenary since the start.
    #[must_use]
    pub fn rooms(&self) -> Vec<RoomCounts> {
        self.state.rooms()
    }

    /// The fault settings in force.
    #[must_use]
    pub fn faults(&self) -> Faults {
        (*self.state.injector.faults()).clone()
    }

    /// Replaces all fault settings; every frequency starts counting again.
    ///
    /// # Errors
    /// If a setting is out of range; then nothing changes.
    pub fn set_faults(&self, faults: Faults) -> Result<(), InvalidFault> {
        self.state.injector.set(faults)
    }

    /// The logged faults of deliveries, from number `since` on.
    #[must_use]
    pub fn injections(&self, since: u64) -> Vec<Injection> {
        self.state.injector.log.read(since)
    }

    /// When deliveries of chats were written, oldest first; empty without [`Options::record`].
    #[must_use]
    pub fn written(&self) -> Vec<WrittenDelivery> {
        self.state.socket_context.delivery_log.as_ref().map(delivery_log::DeliveryLog::read).unwrap_or_default()
    }

    /// Stalls the whole server for a while.
    pub fn stall(&self, time: Duration) {
        self.state.injector.stall(time);
    }

    /// Injects a fault once; returns when it is under way.
    ///
    /// # Errors
    /// If a number is out of range.
    pub async fn inject(&self, action: FaultAction) -> Result<(), InvalidFault> {
        control::inject(&self.state, action).await
    }

    /// Closes every socket with 1001, ends all tasks and waits for them; a few seconds at most.
    pub async fn stop(mut self) -> ServerCounts {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
        self.state.counts()
    }
}
