//! How a driver keeps a connection open.

use std::time::Duration;

/// What a user sends on a connection that is idle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignOfLife {
    /// The protocol's heartbeat and a websocket ping in turn; no ping if something was just read.
    Alternate,
    /// The protocol's heartbeat.
    Heartbeat,
    /// A websocket ping.
    Ping,
}

/// How a connection is kept open, and when it is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keepalive {
    /// What is sent.
    pub sign: SignOfLife,
    /// Interval between two keepalives.
    pub every: Duration,
    /// A connection on which nothing was read for this long, pongs included, is dead.
    pub silent_after: Duration,
    /// Longest time from the open socket until the user has joined; `None` if the driver bounds it.
    pub join_timeout: Option<Duration>,
}

impl Default for Keepalive {
    /// A keepalive every 12.5 s, every second one the heartbeat, which so goes out every 25 s: the application's
    /// page sends it as often, and proxies close connections that are idle for 60 s (nginx, `proxy_read_timeout`). Dead
    /// after three missed heartbeats. Joining may take as long as any answer, the default of `--http-timeout`.
    fn default() -> Self {
        Self {
            sign: SignOfLife::Alternate,
            every: Duration::from_millis(12_500),
            silent_after: Duration::from_secs(75),
            join_timeout: Some(Duration::from_secs(30)),
        }
    }
}
