//! Series for tests: a known slope, step, correlation and outliers on noise of standard deviation 1.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::Point;

/// A series, one point per minute.
#[derive(Debug, Clone, Copy)]
pub(super) struct Made {
    pub(super) seed: u64,
    pub(super) points: u32,
    /// The value without noise at the first point.
    pub(super) level: f64,
    /// The slope per hour.
    pub(super) slope: f64,
    /// The fraction of each point's noise that the next one keeps.
    pub(super) kept: f64,
    /// The step in the middle.
    pub(super) step: f64,
    /// The fraction of points that are 30 deviations too high.
    pub(super) outliers: f64,
}

impl Made {
    /// Four hours at 100 with independent noise.
    pub(super) fn flat(seed: u64) -> Self {
        Self { seed, points: 240, level: 100.0, slope: 0.0, kept: 0.0, step: 0.0, outliers: 0.0 }
    }

    pub(super) fn series(self) -> Vec<Point> {
        let mut rng = StdRng::seed_from_u64(self.seed);
        let mut noise = 0.0;
        for _ in 0..50 {
            noise = self.kept * noise + normal(&mut rng);
        }
        (0..self.points)
            .map(|i| {
                noise = self.kept * noise + normal(&mut rng);
                let hours = f64::from(i) / 60.0;
                let outlier = if rng.random::<f64>() < self.outliers { 30.0 } else { 0.0 };
                let step = if i >= self.points / 2 { self.step } else { 0.0 };
                Point { hours, value: self.level + self.slope * hours + step + noise + outlier }
            })
            .collect()
    }
}

/// The sum of four uniform numbers, scaled to a deviation of 1, which is close enough to normal.
pub(crate) fn normal(rng: &mut StdRng) -> f64 {
    let bits: u64 = rng.random();
    let sum: u64 = (0..4).map(|i| (bits >> (16 * i)) & 0xffff).sum();
    #[allow(clippy::cast_precision_loss, reason = "below 2^18")]
    let sum = sum as f64;
    (sum / 65_536.0 - 2.0) * 3.0_f64.sqrt()
}
