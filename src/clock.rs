//! Time as data: a [`Stamp`] is a distance from the run's start, a [`Clock`] reads it.
//!
//! Only the edges (sockets, schedule, commands) hold a clock; the arithmetic of the ledger and the
//! schedule takes stamps. The clock is tokio's, so a paused runtime pauses it too.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// A moment of monotonic time, in nanoseconds since the clock's origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Stamp(pub u64);

impl Stamp {
    /// The moment `d` later, saturating at the latest stamp.
    #[must_use]
    pub fn plus(self, d: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// The moment `d` earlier, saturating at the origin.
    #[must_use]
    pub fn minus(self, d: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// Time since `earlier`; zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// Reads monotonic time since a fixed origin.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    origin: Instant,
    wall_at_origin: SystemTime,
}

impl Clock {
    /// A clock whose origin is now.
    #[must_use]
    pub fn start() -> Self {
        Self { origin: Instant::now(), wall_at_origin: SystemTime::now() }
    }

    /// The present moment.
    #[must_use]
    pub fn now(&self) -> Stamp {
        Stamp(u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    /// The instant of a stamp, for timers.
    #[must_use]
    pub fn instant(&self, at: Stamp) -> Instant {
        self.origin + Duration::from_nanos(at.0)
    }

    /// The wall-clock time of the origin. Later jumps of the wall clock do not change what stamps mean.
    #[must_use]
    pub fn wall(&self, at: Stamp) -> SystemTime {
        self.wall_at_origin + Duration::from_nanos(at.0)
    }

    /// Microseconds since the Unix epoch at a stamp.
    #[must_use]
    pub fn unix_micros(&self, at: Stamp) -> u64 {
        let since = self.wall(at).duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
    }
}
