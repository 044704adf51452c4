//! Medians and quartiles of a handful of measurements.

use serde::Serialize;

/// The median of some numbers, and their spread.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Spread {
    pub median: f64,
    pub lowest: f64,
    pub highest: f64,
    pub count: usize,
}

impl Spread {
    /// Of at least one number.
    pub fn of(numbers: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = numbers.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let count = sorted.len();
        let at = |i: usize| sorted.get(i).copied().unwrap_or(f64::NAN);
        let median = (at(count.saturating_sub(1) / 2) + at(count / 2)) / 2.0;
        Self { median, lowest: at(0), highest: at(count.saturating_sub(1)), count }
    }
}

impl std::fmt::Display for Spread {
    /// `median (lowest to highest)`
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.3} ({:.3} to {:.3})", self.median, self.lowest, self.highest)
    }
}
