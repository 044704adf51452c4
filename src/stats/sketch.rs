//! A sketch of many durations: logarithmic buckets, mergeable, quantiles within 2 %.
//!
//! C. Masson, J. E. Rim and H. K. Lee, "DDSketch: a fast and fully-mergeable quantile sketch with
//! relative-error guarantees", Proceedings of the VLDB Endowment 12 (2019) 2195–2205.

use std::collections::BTreeMap;

/// Largest relative error of a quantile.
const ACCURACY: f64 = 0.02;
/// Ratio of the upper bounds of neighbouring buckets.
const BASE: f64 = (1.0 + ACCURACY) / (1.0 - ACCURACY);
/// Maximum number of buckets. Beyond it the lowest ones are summed, so the highest quantiles stay exact to 2 % over
/// a factor of 166.
pub const MOST_BUCKETS: usize = 128;

/// Counts of durations per bucket.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sketch {
    buckets: BTreeMap<i16, u64>,
}

impl Sketch {
    /// Counts a duration, in seconds, `times` times. Durations under a microsecond count as one microsecond.
    pub fn add(&mut self, seconds: f64, times: u64) {
        if times > 0 {
            *self.buckets.entry(bucket_of(seconds)).or_default() += times;
            self.keep_within_bounds();
        }
    }

    /// Adds another sketch's counts.
    pub fn merge(&mut self, other: &Self) {
        for (&bucket, &times) in &other.buckets {
            let sum = self.buckets.entry(bucket).or_default();
            *sum = sum.saturating_add(times);
        }
        self.keep_within_bounds();
    }

    /// The number of durations counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.values().fold(0, |sum, times| sum.saturating_add(*times))
    }

    /// The quantile for 0 ≤ `q` ≤ 1, in seconds; `None` if the sketch is empty.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let position = rank(q, self.count())?;
        let mut below = 0_u64;
        let found = self.buckets.iter().find(|(_, times)| {
            below = below.saturating_add(**times);
            below > position
        });
        found.map(|(&bucket, _)| middle_of(bucket))
    }

    /// The quantile for 0 ≤ `q` ≤ 1, in seconds, interpolated within its bucket, so that it moves smoothly with the
    /// durations; exact to 4 %. `None` if the sketch is empty.
    #[must_use]
    pub fn interpolated(&self, q: f64) -> Option<f64> {
        let counts = || self.buckets.iter().map(|(&bucket, &times)| (bucket, wide(times)));
        quantile_of(counts(), counts().map(|(_, count)| count).sum(), q)
    }

    /// The number of the bucket of a duration in seconds: its upper bound is (51/49)^number seconds.
    #[must_use]
    pub fn bucket(seconds: f64) -> i16 {
        bucket_of(seconds)
    }

    /// Buckets and counts, lowest first. The upper bound of bucket i is (51/49)^i seconds.
    pub fn buckets(&self) -> impl Iterator<Item = (i16, u64)> {
        self.buckets.iter().map(|(&bucket, &times)| (bucket, times))
    }

    /// A sketch from buckets and counts as returned by [`buckets`](Self::buckets).
    #[must_use]
    pub fn from_buckets(buckets: impl IntoIterator<Item = (i16, u64)>) -> Self {
        let mut sketch = Self::default();
        for (bucket, times) in buckets {
            let sum = sketch.buckets.entry(bucket).or_default();
            *sum = sum.saturating_add(times);
        }
        sketch.keep_within_bounds();
        sketch
    }

    fn keep_within_bounds(&mut self) {
        while self.buckets.len() > MOST_BUCKETS {
            let Some((_, times)) = self.buckets.pop_first() else { return };
            if let Some(mut lowest) = self.buckets.first_entry() {
                *lowest.get_mut() = lowest.get().saturating_add(times);
            }
        }
    }
}

/// The position, from 0, of a quantile among `count` sorted values.
fn rank(q: f64, count: u64) -> Option<u64> {
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let position = (q.clamp(0.0, 1.0) * count.checked_sub(1)? as f64).floor() as u64;
    Some(position)
}

#[allow(clippy::cast_possible_truncation, reason = "between -346 and 32767")]
fn bucket_of(seconds: f64) -> i16 {
    (seconds.max(1e-6).ln() / BASE.ln()).ceil().min(f64::from(i16::MAX)) as i16
}

/// A quantile of buckets and their counts, lowest first, interpolated within its bucket.
pub(super) fn quantile_of(counts: impl Iterator<Item = (i16, f64)>, total: f64, q: f64) -> Option<f64> {
    let wanted = q.clamp(0.0, 1.0) * total;
    let mut below = 0.0;
    for (bucket, count) in counts {
        if below + count >= wanted && count > 0.0 {
            return Some(middle_of(bucket) * BASE.powf((wanted - below) / count - 0.5));
        }
        below += count;
    }
    None
}

#[allow(clippy::cast_precision_loss, reason = "counts below 2^52")]
fn wide(n: u64) -> f64 {
    n as f64
}

/// The value that is within 2 % of every duration in a bucket.
fn middle_of(bucket: i16) -> f64 {
    2.0 * BASE.powi(i32::from(bucket)) / (BASE + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_within_2_percent() {
        let mut sketch = Sketch::default();
        for i in 1..=10_000_u32 {
            sketch.add(f64::from(i) / 1e4, 1);
        }
        for (q, wanted) in [(0.5, 0.5), (0.9, 0.9), (0.99, 0.99), (1.0, 1.0)] {
            let found = sketch.quantile(q).unwrap();
            assert!((found / wanted - 1.0).abs() <= ACCURACY + 1e-3, "{q}: {found}");
            let between = sketch.interpolated(q).unwrap();
            assert!((between / wanted - 1.0).abs() <= 2.0 * ACCURACY, "{q}: {between}");
        }
    }

    #[test]
    fn beyond_128_buckets_the_lowest_are_summed_and_nothing_is_lost() {
        let mut sketch = Sketch::default();
        for i in 0..400 {
            sketch.add(1e-6 * 1.05_f64.powi(i), 3);
        }
        assert_eq!(sketch.count(), 1_200);
        assert!(sketch.buckets().count() <= MOST_BUCKETS);
        let highest = 1e-6 * 1.05_f64.powi(399);
        assert!((sketch.quantile(1.0).unwrap() / highest - 1.0).abs() <= ACCURACY);
    }

    #[test]
    fn two_merged_are_as_one() {
        let (mut whole, mut a, mut b) = (Sketch::default(), Sketch::default(), Sketch::default());
        for i in 1..500_u32 {
            let part = if i % 3 == 0 { &mut a } else { &mut b };
            part.add(f64::from(i) / 100.0, u64::from(i));
            whole.add(f64::from(i) / 100.0, u64::from(i));
        }
        a.merge(&b);
        assert_eq!(a, whole);
        assert_eq!(Sketch::from_buckets(whole.buckets()), whole);
    }

    #[test]
    fn nothing_has_no_quantile_and_no_time_is_a_microsecond() {
        assert_eq!(Sketch::default().quantile(0.5), None);
        let mut sketch = Sketch::default();
        sketch.add(0.0, 1);
        assert!((sketch.quantile(0.5).unwrap() / 1e-6 - 1.0).abs() <= ACCURACY);
    }
}
