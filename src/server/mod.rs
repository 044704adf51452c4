//! The embedded plenary server: the protocol served for real, in memory, and counted.
//!
//! It judges the rig, so it shares no wire code with the drivers. One task a client connection
//! (`door`, `socket`), one task a plenary (`keeper`); all are owned by [`Target`].
//!
//! | file | what it is for |
//! | --- | --- |
//! | `options` | how a target is started |
//! | `door`, `site/` | the listener; pages, forms, upgrades |
//! | `socket`, `peer`, `frame` | a websocket's task, its queue, its bytes |
//! | `hall`, `keeper`, `crowd`, `roster`, `breakouts` | who is where and hears what |
//! | `wire`, `client`, `json`, `sanitise` | what is said, spelled as the application does |
//! | `accounts`, `password`, `csrf` | who may come in |
//! | `plenary` | the plenaries there are |
//! | `world`, `counts`, `recorder` | what all share, what is counted, what was written when |
//! | [`proxy`] | a TCP proxy that makes the wire itself bad, for tests |
//! | `faults/`, `control` | what goes wrong on purpose, and how that is changed meanwhile |

mod accounts;
mod breakouts;
mod client;
mod control;
mod counts;
mod crowd;
mod csrf;
mod door;
mod faults;
mod frame;
mod hall;
mod json;
mod keeper;
mod options;
mod password;
mod peer;
mod plenary;
pub mod proxy;
mod recorder;
mod roster;
mod sanitise;
mod site;
mod socket;
mod wire;
mod world;

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use control::Act;
pub use counts::{AccountCounts, Counts, HttpCounts, ReceivedCounts, SentCounts, SocketCounts};
pub use faults::{
    BadKnob, ChatKnobs, Dose, Fault, Faults, HttpKnobs, Injection, PresenceKnobs, Scope, SocketKnobs, UnknownDose,
};
pub use options::{Options, PresenceMode, Timing, UnknownPresenceMode};
pub use recorder::Written;

use counts::Tally;
use faults::desk::Desk;
use hall::Setting;
use keeper::Keeper;
use world::World;

/// Why a target did not start.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The address cannot be listened on.
    #[error("cannot listen on {addr}: {source}; choose another address, or port 0 for a free one")]
    Listen {
        /// The address asked for.
        addr: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The prefix is not a path.
    #[error("--prefix `{0}` is not a path such as `/chat`: it begins with a slash and ends without one")]
    Prefix(String),
    /// A fault knob is out of its range.
    #[error("fault knob {0}")]
    Knob(#[from] BadKnob),
    /// The control address is not this machine's own.
    #[error("--control {0} is not a loopback address such as 127.0.0.1:0")]
    Control(SocketAddr),
}

/// A running target; dropping it ends its tasks without a farewell, [`stop`](Self::stop) with one.
pub struct Target {
    addr: SocketAddr,
    control: Option<SocketAddr>,
    world: Arc<World>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

/// Starts a target: listens, and serves from tasks of its own.
///
/// # Errors
/// Where an address cannot be listened on, the prefix is not a path, or a fault knob is out of its range.
pub async fn serve(options: Options) -> Result<Target, TargetError> {
    check(&options)?;
    let (listener, addr) = listen(options.listen).await?;
    let control = match options.control {
        Some(control) => Some(listen(control).await?),
        None => None,
    };
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    let world = Arc::new(world(options, addr, &stop, &mut tasks)?);
    tasks.spawn(door::serve(Arc::clone(&world), listener));
    let control = control.map(|(listener, addr)| {
        tasks.spawn(control::serve(Arc::clone(&world), listener));
        addr
    });
    Ok(Target { addr, control, world, stop, tasks })
}

fn check(options: &Options) -> Result<(), TargetError> {
    let prefix = &options.prefix;
    if !prefix.is_empty() && (!prefix.starts_with('/') || prefix.ends_with('/') || !prefix.is_ascii()) {
        return Err(TargetError::Prefix(prefix.clone()));
    }
    match options.control {
        Some(control) if !control.ip().is_loopback() => Err(TargetError::Control(control)),
        _ => Ok(()),
    }
}

async fn listen(addr: SocketAddr) -> Result<(TcpListener, SocketAddr), TargetError> {
    let failed = |source| TargetError::Listen { addr, source };
    let listener = door::listen(addr).await.map_err(failed)?;
    let addr = listener.local_addr().map_err(failed)?;
    Ok((listener, addr))
}

/// Builds the halls, starts their keepers, and puts everything into a world.
fn world(
    options: Options,
    addr: SocketAddr,
    stop: &CancellationToken,
    tasks: &mut JoinSet<()>,
) -> Result<World, TargetError> {
    let setting = Setting {
        tally: Arc::new(Tally::default()),
        desk: Arc::new(Desk::new(options.faults.clone(), options.injections)?),
        presence: options.presence,
        timing: options.timing,
        image: format!("http://{addr}{}/media/assets/default_avatar.jpg", options.prefix).into(),
        chat_ids: Arc::new(AtomicU64::new(0)),
        halls: Arc::new(OnceLock::new()),
    };
    let mut halls = Vec::new();
    for plenary in plenary::all(SystemTime::now()) {
        let (hall, keeper) = Keeper::new(plenary, setting.clone());
        halls.push(hall);
        tasks.spawn(keeper.run(stop.clone()));
    }
    // It is set nowhere else, so it is empty.
    let _ = setting.halls.set(halls.clone());
    Ok(World::new(options, setting, halls, stop.clone()))
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Target({})", self.addr)
    }
}

impl Target {
    /// Where it listens, with the port that was picked.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Where the faults can be changed, if anywhere, with the port that was picked.
    #[must_use]
    pub fn control(&self) -> Option<SocketAddr> {
        self.control
    }

    /// What it received, sent and did so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.world.counts()
    }

    /// The fault knobs as they are.
    #[must_use]
    pub fn faults(&self) -> Faults {
        (*self.world.desk.faults()).clone()
    }

    /// Sets all fault knobs; every dose counts from the beginning again.
    ///
    /// # Errors
    /// Where a knob is out of its range; then nothing is changed.
    pub fn set_faults(&self, faults: Faults) -> Result<(), BadKnob> {
        self.world.desk.set(faults)
    }

    /// The injected faults of deliveries that are still remembered, from number `since` on.
    #[must_use]
    pub fn injections(&self, since: u64) -> Vec<Injection> {
        self.world.desk.record.read(since)
    }

    /// When deliveries of chats were written, oldest first; empty without [`Options::record`].
    #[must_use]
    pub fn written(&self) -> Vec<Written> {
        self.world.habits.recorder.as_ref().map(recorder::Recorder::read).unwrap_or_default()
    }

    /// Makes the whole target stand still for a while.
    pub fn stall(&self, time: Duration) {
        self.world.desk.stall(time);
    }

    /// Does something wrong once; returns when it is under way.
    ///
    /// # Errors
    /// Where a number is out of its range.
    pub async fn act(&self, act: Act) -> Result<(), BadKnob> {
        control::act(&self.world, act).await
    }

    /// Closes every socket with 1001, ends all tasks and waits for them; a few seconds at most.
    pub async fn stop(mut self) -> Counts {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
        self.world.counts()
    }
}
