//! Due times of one kind of intent: pure arithmetic, evenly spaced or Poisson.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::clock::Stamp;
use crate::model::Pacing;

/// The due times of one kind of intent.
#[derive(Debug)]
pub struct Timetable {
    pacing: Pacing,
    rng: StdRng,
    /// The rate per second; 0 means never.
    rate: f64,
    anchor: Stamp,
    /// Distance of the next intent from the anchor, in mean gaps.
    due: f64,
}

impl Timetable {
    /// A timetable at rate 0.
    #[must_use]
    pub fn new(pacing: Pacing, seed: u64) -> Self {
        let mut table =
            Self { pacing, rng: StdRng::seed_from_u64(seed), rate: 0.0, anchor: Stamp::default(), due: 0.0 };
        table.due = table.gap();
        table
    }

    /// The rate in force, per second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.rate
    }

    /// Changes the rate at `now`. The elapsed fraction of the gap to the next intent is kept, so that frequent
    /// changes neither starve nor double intents.
    pub fn set_rate(&mut self, rate: f64, now: Stamp) {
        let rate = if rate.is_finite() && rate > 0.0 { rate } else { 0.0 };
        if rate.to_bits() == self.rate.to_bits() {
            return;
        }
        let passed = now.since(self.anchor).as_secs_f64() * self.rate;
        self.due -= passed;
        self.anchor = now;
        self.rate = rate;
    }

    /// When the next intent is due; `None` while the rate is zero.
    #[must_use]
    pub fn next(&self) -> Option<Stamp> {
        if self.rate <= 0.0 {
            return None;
        }
        Some(self.anchor.plus(Duration::try_from_secs_f64((self.due / self.rate).max(0.0)).ok()?))
    }

    /// Takes the next intent if it is due at `now`, and returns its intended time.
    pub fn take_due(&mut self, now: Stamp) -> Option<Stamp> {
        let at = self.next().filter(|at| *at <= now)?;
        self.due += self.gap();
        Some(at)
    }

    fn gap(&mut self) -> f64 {
        match self.pacing {
            Pacing::Even => 1.0,
            // Inverse transform of the exponential distribution; 1 - u is never 0.
            Pacing::Poisson => -(1.0 - self.rng.random::<f64>()).ln(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(seconds: f64) -> Stamp {
        Stamp::default().plus(Duration::from_secs_f64(seconds))
    }

    fn count(table: &mut Timetable, until: Stamp) -> u64 {
        std::iter::from_fn(|| table.take_due(until)).count() as u64
    }

    #[test]
    fn the_kth_intent_is_k_gaps_from_the_anchor_even_after_days() {
        let mut table = Timetable::new(Pacing::Even, 1);
        table.set_rate(3.0, at(0.0));
        assert_eq!(count(&mut table, at(72.0 * 3600.0)), 72 * 3600 * 3);
    }

    #[test]
    fn the_same_seed_gives_the_same_poisson_times() {
        let times = |seed| {
            let mut table = Timetable::new(Pacing::Poisson, seed);
            table.set_rate(10.0, at(0.0));
            std::iter::from_fn(move || table.take_due(at(10.0))).collect::<Vec<_>>()
        };
        assert_eq!(times(5), times(5));
        assert_ne!(times(5), times(6));
    }

    #[test]
    fn poisson_keeps_the_rate_and_spreads() {
        let mut table = Timetable::new(Pacing::Poisson, 7);
        table.set_rate(100.0, at(0.0));
        let n = count(&mut table, at(1000.0));
        // Five standard deviations of a Poisson count with the mean 100,000.
        assert!(n.abs_diff(100_000) < 5 * 317, "{n}");
    }

    proptest! {
        #[test]
        fn changes_of_rate_keep_the_integral(rates in prop::collection::vec((0.0..2_000.0_f64, 0.001..10.0_f64), 1..50)) {
            let mut table = Timetable::new(Pacing::Even, 1);
            let (mut now, mut issued, mut owed) = (0.0, 0, 0.0);
            for (rate, hold) in rates {
                table.set_rate(rate, at(now));
                now += hold;
                owed += rate * hold;
                issued += count(&mut table, at(now));
            }
            #[allow(clippy::cast_precision_loss)]
            let off = (issued as f64 - owed).abs();
            prop_assert!(off <= 1.001, "issued {issued}, owed {owed}");
        }

        /// The k-th intent is due when the integral of the rate over time is k, however often the rate changes, pauses
        /// included, and however late the timetable is read.
        #[test]
        fn the_kth_intent_is_due_when_the_integral_is_k(
            steps in prop::collection::vec((0_u8..4, 0.0..400.0_f64, 0.000_1..0.1_f64), 1_000..1_050),
        ) {
            let mut table = Timetable::new(Pacing::Even, 1);
            let (mut now, mut integral, mut issued) = (0.0_f64, 0.0_f64, 0_u64);
            for (pause, rate, hold) in steps {
                let rate = if pause == 0 { 0.0 } else { rate };
                table.set_rate(rate, at(now));
                let end = now + hold;
                // When late, all due intents are taken at once, each with its own time.
                while let Some(due) = table.take_due(at(end)) {
                    issued += 1;
                    let due = due.since(Stamp::default()).as_secs_f64();
                    let reached = (due - now).mul_add(rate, integral);
                    prop_assert!((reached - issued as f64).abs() < 1e-3, "intent {issued} at {reached}");
                }
                now = end;
                integral += rate * hold;
                prop_assert!((issued as f64 - integral).abs() <= 1.001, "{issued} issued, {integral} owed");
            }
        }

        #[test]
        fn due_times_never_go_back(rates in prop::collection::vec(0.0..500.0_f64, 1..30), poisson: bool) {
            let pacing = if poisson { Pacing::Poisson } else { Pacing::Even };
            let mut table = Timetable::new(pacing, 3);
            let mut last = Stamp::default();
            for (i, rate) in rates.into_iter().enumerate() {
                #[allow(clippy::cast_precision_loss)]
                let now = at(i as f64 * 0.1);
                table.set_rate(rate, now);
                while let Some(due) = table.take_due(now) {
                    prop_assert!(due >= last && due <= now);
                    last = due;
                }
            }
        }
    }
}
