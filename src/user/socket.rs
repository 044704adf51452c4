//! Shared parts of a room's socket and a side room's: a timeout, the gauge of open sockets, and due times of
//! keepalives.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Stamp;
use crate::metrics::Metrics;
use crate::model::SocketKind;

/// Longest time for the server's answer to a close. RFC 6455, section 7.1.1, sets none; five seconds cover
/// two retransmissions of a lost segment (RFC 6298: 1 s, 2 s).
pub const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Counts one open socket from its creation until it is dropped, even by a panic.
pub(super) struct OpenSocket {
    metrics: Arc<Metrics>,
    socket: SocketKind,
}

impl OpenSocket {
    pub(super) fn new(metrics: &Arc<Metrics>, socket: SocketKind) -> Self {
        metrics.connection_opened(socket);
        Self { metrics: Arc::clone(metrics), socket }
    }
}

impl Drop for OpenSocket {
    fn drop(&mut self) {
        self.metrics.connection_closed(self.socket);
    }
}

/// The first keepalive after `now`, in step with `last`, so that the users of a process that stood still do
/// not all send at the same moment afterwards.
pub(super) fn next_keepalive(last: Stamp, now: Stamp, every: Duration) -> Stamp {
    let interval = every.as_nanos().max(1);
    let past = now.since(last).as_nanos() % interval;
    now.plus(Duration::from_nanos(u64::try_from(interval - past).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEEPALIVE: Duration = Duration::from_millis(12_500);

    fn next(last: Stamp, now: Stamp) -> Stamp {
        next_keepalive(last, now, KEEPALIVE)
    }

    #[test]
    fn late_keepalives_stay_at_multiples_of_the_interval() {
        let first = Stamp(7);
        assert_eq!(next(first, first), first.plus(KEEPALIVE));
        assert_eq!(next(first, first.plus(Duration::from_millis(3))), first.plus(KEEPALIVE));
        assert_eq!(next(first, first.plus(KEEPALIVE * 3 + Duration::from_secs(1))), first.plus(KEEPALIVE * 4));
    }
}
