//! Rate limits on requests to a server: governor's buckets, on tokio's clock.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::Clock as GovernorClock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

use crate::clock::Clock;

impl GovernorClock for Clock {
    type Instant = Duration;

    fn now(&self) -> Duration {
        Duration::from_nanos(Clock::now(self).0)
    }
}

type Bucket = RateLimiter<NotKeyed, InMemoryState, Clock, NoOpMiddleware<Duration>>;

/// A maximum rate of starts, with waiters served in order of arrival.
#[derive(Debug)]
pub struct Limit {
    clock: Clock,
    bucket: Bucket,
    /// Only the first waiter asks the bucket, so that a thousand waiters do not wake in vain.
    queue: tokio::sync::Mutex<()>,
}

impl Limit {
    /// `per_second` starts per second, evenly, without a burst. Rates below one per day become that.
    #[must_use]
    pub fn evenly(per_second: f64, clock: Clock) -> Self {
        Self::with_burst(per_second, NonZeroU32::MIN, clock)
    }

    /// `per_second` starts per second, with bursts of up to `burst`.
    #[must_use]
    pub fn with_burst(per_second: f64, burst: NonZeroU32, clock: Clock) -> Self {
        let gap =
            Duration::try_from_secs_f64(1.0 / per_second.max(1.0 / 86_400.0)).unwrap_or(Duration::from_secs(86_400));
        let gap = gap.max(Duration::from_nanos(1));
        // A period of at least a nanosecond is always accepted.
        let quota = Quota::with_period(gap).unwrap_or(Quota::per_second(NonZeroU32::MIN)).allow_burst(burst);
        Self { clock, bucket: RateLimiter::direct_with_clock(quota, clock), queue: tokio::sync::Mutex::new(()) }
    }

    /// Waits until it is this caller's turn.
    pub async fn ready(&self) {
        let _turn = self.queue.lock().await;
        while let Err(not_until) = self.bucket.check() {
            let wait = not_until.wait_time_from(GovernorClock::now(&self.clock));
            tokio::time::sleep(wait).await;
        }
    }

    /// Blocks the calling thread until one more may start. Do not call it on a runtime's thread.
    pub fn wait(&self) {
        while let Err(not_until) = self.bucket.check() {
            std::thread::sleep(not_until.wait_time_from(GovernorClock::now(&self.clock)));
        }
    }

    /// Whether one more may start now.
    #[must_use]
    pub fn allows(&self) -> bool {
        self.bucket.check().is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[tokio::test(start_paused = true)]
    async fn many_waiters_get_the_rate_and_no_more() {
        let clock = Clock::start();
        let limit = Arc::new(Limit::evenly(20.0, clock));
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..200 {
            let limit = Arc::clone(&limit);
            tasks.spawn(async move {
                limit.ready().await;
                Clock::now(&clock)
            });
        }
        let mut times = tasks.join_all().await;
        times.sort_unstable();
        let span = times[199].since(times[0]).as_secs_f64();
        assert!((9.94..10.2).contains(&span), "{span}");
    }
}
