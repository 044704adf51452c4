//! The embedded plenary server: the protocol served for real, in memory, and counted.
//!
//! It judges the rig, so it shares no wire code with the drivers. One task a client connection
//! ([`door`], [`socket`]), one task a plenary ([`hall`]); all are owned by [`Target`].
//!
//! | file | what it is for |
//! | --- | --- |
//! | `options` | how a target is started |
//! | `door`, `site/` | the listener; pages, forms, upgrades |
//! | `socket`, `peer`, `frame` | a websocket's task, its queue, its bytes |
//! | `hall`, `crowd`, `roster`, `breakouts` | who is where and hears what |
//! | `wire`, `client`, `json`, `sanitise` | what is said, spelled as the application does |
//! | `accounts`, `password`, `csrf` | who may come in |
//! | `plenary` | the plenaries there are |
//! | `world`, `counts` | what all share, and what is counted |

mod accounts;
mod breakouts;
mod client;
mod counts;
mod crowd;
mod csrf;
mod door;
mod frame;
mod hall;
mod json;
mod options;
mod password;
mod peer;
mod plenary;
mod roster;
mod sanitise;
mod site;
mod socket;
mod wire;
mod world;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::SystemTime;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use counts::{AccountCounts, Counts, HttpCounts, ReceivedCounts, SentCounts, SocketCounts};
pub use options::{Options, PresenceMode, Timing, UnknownPresenceMode};

use counts::Tally;
use hall::{Keeper, Setting};
use world::World;

/// Why a target did not start.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The address cannot be listened on.
    #[error("cannot listen on {addr}: {source}; choose another --listen address, or port 0 for a free one")]
    Listen {
        /// The address asked for.
        addr: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The prefix is not a path.
    #[error("--prefix `{0}` is not a path such as `/chat`: it begins with a slash and ends without one")]
    Prefix(String),
}

/// A running target; dropping it ends its tasks without a farewell, [`stop`](Self::stop) with one.
pub struct Target {
    addr: SocketAddr,
    world: Arc<World>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

/// Starts a target: listens, and serves from tasks of its own.
///
/// # Errors
/// Where the address cannot be listened on, or the prefix is not a path.
pub async fn serve(options: Options) -> Result<Target, TargetError> {
    let prefix = &options.prefix;
    if !prefix.is_empty() && (!prefix.starts_with('/') || prefix.ends_with('/') || !prefix.is_ascii()) {
        return Err(TargetError::Prefix(prefix.clone()));
    }
    let failed = |source| TargetError::Listen { addr: options.listen, source };
    let listener = door::listen(options.listen).await.map_err(failed)?;
    let addr = listener.local_addr().map_err(failed)?;
    let (stop, tally) = (CancellationToken::new(), Arc::new(Tally::default()));
    let image: Arc<str> = format!("http://{addr}{prefix}/media/assets/default_avatar.jpg").into();
    let setting = Setting {
        tally: Arc::clone(&tally),
        presence: options.presence,
        timing: options.timing,
        image: Arc::clone(&image),
        chat_ids: Arc::new(AtomicU64::new(0)),
    };
    let mut tasks = JoinSet::new();
    let mut halls = Vec::new();
    for plenary in plenary::all(SystemTime::now()) {
        let (hall, keeper) = Keeper::new(plenary, setting.clone());
        halls.push(hall);
        tasks.spawn(keeper.run(stop.clone()));
    }
    let world = Arc::new(World::new(options, tally, halls, image, stop.clone()));
    tasks.spawn(door::serve(Arc::clone(&world), listener));
    Ok(Target { addr, world, stop, tasks })
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

    /// What it received, sent and did so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.world.counts()
    }

    /// Closes every socket with 1001, ends all tasks and waits for them; a few seconds at most.
    pub async fn stop(mut self) -> Counts {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
        self.world.counts()
    }
}
