//! How long to wait before the next attempt: doubling, with jitter, bounded.

use std::time::Duration;

use rand::{Rng, RngExt};

/// Shortest wait.
pub(super) const SHORTEST: Duration = Duration::from_millis(500);
/// Longest wait, unless the server asks for more.
pub(super) const LONGEST: Duration = Duration::from_secs(30);
/// A connection that lasted this long starts the doubling anew.
pub(super) const GOOD: Duration = Duration::from_secs(30);

#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The wait after one more failure: uniform in the upper half of 1 s · 2ⁿ, at most
    /// [`LONGEST`], so that users that failed together do not come back together.
    pub(super) fn next(&mut self, rng: &mut impl Rng) -> Duration {
        let ceiling = (SHORTEST * 2).saturating_mul(2_u32.saturating_pow(self.failures)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        rng.random_range(ceiling / 2..=ceiling)
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
    fn waits_double_from_half_a_second_to_half_a_minute() {
        let mut rng = SmallRng::seed_from_u64(1);
        let (mut backoff, mut ceiling) = (Backoff::default(), 1.0);
        for _ in 0..200 {
            let wait = backoff.next(&mut rng).as_secs_f64();
            assert!((ceiling / 2.0..=ceiling).contains(&wait), "{wait} of {ceiling}");
            ceiling = (ceiling * 2.0_f64).min(30.0);
        }
        backoff.reset();
        assert!(backoff.next(&mut rng) <= SHORTEST * 2);
    }
}
