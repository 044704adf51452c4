//! The options of a server: address, presence mode, times.
//!
//! Plain values and their spelling; knows no sockets.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::time::Duration;

use super::faults::Faults;

/// The options of a server.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where to listen; port 0 picks a free port, see [`Server::addr`](super::Server::addr).
    pub listen: SocketAddr,
    /// A prefix of every path, such as `/chat`; empty for none.
    pub prefix: String,
    /// Numbers of further plenaries, `event-0` and so on; empty for none.
    pub rooms: Range<u64>,
    /// How member lists are sent.
    pub presence: PresenceMode,
    /// Bytes that may wait for one socket; a reader that falls further behind is disconnected.
    pub queue: usize,
    /// Connections that clients may hold at once. Beyond it, the connection without a websocket
    /// that has been idle longest is closed; the control address has its own limit.
    pub connections: usize,
    /// The application's own times.
    pub timing: Timing,
    /// The faults to inject from the start on.
    pub faults: Faults,
    /// The control address, which must be a loopback address; `None` for no control.
    pub control: Option<SocketAddr>,
    /// How many injected faults of deliveries are logged.
    pub injections: usize,
    /// How many written chat deliveries are logged with their time; 0 for none.
    pub record: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            prefix: String::new(),
            rooms: 0..0,
            presence: PresenceMode::Full,
            queue: 64 * 1024 * 1024,
            connections: 1_000_000,
            timing: Timing::default(),
            faults: Faults::default(),
            control: None,
            injections: 200_000,
            record: 0,
        }
    }
}

/// The application's own times, as observed; tests use shorter ones.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// Interval between two websocket pings, and how long a pong may take.
    pub ping: Duration,
    /// How long a user may be silent before it is removed from the member list.
    pub silence: Duration,
    /// How often silent users are removed.
    pub prune: Duration,
    /// How long a name is locked after five refused log-ins.
    pub lock: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { ping: seconds(20), silence: seconds(60), prune: seconds(20), lock: seconds(300) }
    }
}

/// How member lists are sent; full lists cost the square of the users at each join.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PresenceMode {
    /// The full list to every socket at every join and leave, as the application does.
    #[default]
    Full,
    /// The full list to a new socket at once, to all others at most once in this time. A list
    /// that still waits for its socket is replaced by the next one.
    Batched(Duration),
    /// One short list to each new socket, with only itself in it, and no breakout lists to the plenary.
    Off,
}

impl fmt::Display for PresenceMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("full"),
            Self::Batched(every) => write!(f, "batched:{}", humantime::format_duration(*every)),
            Self::Off => f.write_str("off"),
        }
    }
}
