//! Waits before the next attempt: doubling, with jitter, bounded.

use std::time::Duration;

use rand::{Rng, RngExt};

/// Shortest wait.
pub(super) const SHORTEST: Duration = Duration::from_millis(500);
/// Longest wait, unless the server asks for more. Together with the longest step that may be under way
/// when a server comes back (an HTTP timeout of 30 s), users connect within a minute.
pub(super) const LONGEST: Duration = Duration::from_secs(20);
/// A connection that lasted this long resets the doubling. It is as long as the longest wait, so that a
/// server that ends every connection early sees fewer and fewer attempts.
pub(super) const GOOD: Duration = Duration::from_secs(20);
/// A user whose connection ended sooner does not reconnect at once.
pub(super) const HARDLY_BEGUN: Duration = Duration::from_secs(1);
/// Longest wait that a server can ask for with `Retry-After`: holding the load comes first, and no answer
/// may switch a user off.
pub(super) const LONGEST_ASKED: Duration = Duration::from_secs(30);

#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The wait after one more failure: uniform in the upper half of 1 s · 2ⁿ, at most [`LONGEST`], so that
    /// users who failed together do not come back together.
    pub(super) fn next(&mut self, rng: &mut impl Rng) -> Duration {
        let ceiling = (SHORTEST * 2).saturating_mul(2_u32.saturating_pow(self.failures)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        rng.random_range(ceiling / 2..=ceiling)
    }

    /// The wait after one more failure for which the server asked for a wait: that long, at most
    /// [`LONGEST_ASKED`], plus up to a fifth, so that users who were asked together do not come back together.
    pub(super) fn next_asked(&mut self, asked: Duration, rng: &mut impl Rng) -> Duration {
        let asked = asked.min(LONGEST_ASKED);
        self.next(rng).max(rng.random_range(asked..=asked + asked / 5))
    }

    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    #[test]
    fn waits_double_from_half_a_second_to_twenty() {
        let mut rng = SmallRng::seed_from_u64(1);
        let (mut backoff, mut ceiling) = (Backoff::default(), 1.0);
        for _ in 0..200 {
            let wait = backoff.next(&mut rng).as_secs_f64();
            assert!((ceiling / 2.0..=ceiling).contains(&wait), "{wait} of {ceiling}");
            ceiling = (ceiling * 2.0_f64).min(20.0);
        }
        backoff.reset();
        assert!(backoff.next(&mut rng) <= SHORTEST * 2);
    }

    #[test]
    fn a_server_is_left_alone_as_long_as_it_asks_and_not_for_a_year() {
        let mut rng = SmallRng::seed_from_u64(1);
        let mut wait = |asked| Backoff::default().next_asked(Duration::from_secs(asked), &mut rng);
        for _ in 0..200 {
            assert!((Duration::from_secs(7)..=Duration::from_millis(8_400)).contains(&wait(7)));
            assert!((Duration::from_secs(30)..=Duration::from_secs(36)).contains(&wait(365 * 86_400)));
            assert!(wait(0) >= SHORTEST, "no time is no reason to come back at once");
        }
    }
}
