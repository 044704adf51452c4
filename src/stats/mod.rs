//! The statistics behind "what changed": slopes, steps, intervals and tests for series over time.
//!
//! Neighbouring slices of a run are correlated, so nothing here treats them as independent: intervals come from a
//! moving-block bootstrap (`resample`) with a fixed seed, so that the same series always gives the same result.
//! Pure: values in, values out.

mod compare;
mod drift;
mod holm;
mod resample;
mod residuals;
mod sketch;
mod slope;
mod step;

#[cfg(test)]
pub(crate) mod made_series;

pub use self::compare::{Difference, Independent, Quantiles, Share, quantiles, ratios, shares, two_sided_p};
pub use self::drift::{Change, Drift, FEWEST_POINTS, longest_stretch};
pub use self::holm::adjusted;
pub use self::resample::Blocks;
pub use self::sketch::{MOST_BUCKETS, Sketch};
pub use self::slope::Slope;
pub use self::step::Step;

/// A value at a time, in hours from any origin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Hours.
    pub hours: f64,
    /// The figure, in its own unit.
    pub value: f64,
}

/// The median of some values; `None` if there are none. Reorders them.
fn median(values: &mut [f64]) -> Option<f64> {
    let n = values.len();
    if n == 0 {
        return None;
    }
    let (below, &mut upper, _) = values.select_nth_unstable_by(n / 2, f64::total_cmp);
    if n % 2 == 1 {
        return Some(upper);
    }
    let lower = below.iter().copied().max_by(f64::total_cmp)?;
    Some(f64::midpoint(lower, upper))
}

#[allow(clippy::cast_precision_loss, reason = "counts of points, far below 2^52")]
fn real(n: usize) -> f64 {
    n as f64
}
