//! Times to delivery in the buckets of a [`Sketch`], counted without a logarithm.
//!
//! The upper bits of a time as a floating-point number identify a range that is narrower than any bucket. A table
//! holds the bucket in which each range begins, and where the next bucket begins within the range, if it does. So
//! every time lands in the bucket in which the sketch would count it.

use std::sync::LazyLock;

use crate::model::LONGEST_MICROS;
use crate::stats::Sketch;

/// Number of mantissa bits that identify a range: a range is at most 1/64 wide, a bucket 1/25.
const BITS: u32 = 6;
/// Number of bits below the range's number in a floating-point number.
const SHIFT: u32 = f64::MANTISSA_DIGITS - 1 - BITS;
/// The number of the range that begins at one microsecond.
const ONE: u64 = 1.0_f64.to_bits() >> SHIFT;

/// A range of times.
#[derive(Debug, Clone, Copy)]
struct Range {
    /// The longest time, in microseconds, in the bucket in which the range begins.
    last: u32,
    /// The index of that bucket, counted from that of one microsecond.
    bucket: u32,
}

static RANGES: LazyLock<Box<[Range]>> = LazyLock::new(|| (0..=range(LONGEST_MICROS)).map(range_of).collect());
static LOWEST: LazyLock<i16> = LazyLock::new(|| Sketch::bucket(1e-6));

/// The number of the range of a time in microseconds; for 0, a number out of bounds.
#[inline]
fn range(micros: u64) -> usize {
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_wrap, reason = "years are far below 2^53 microseconds")]
    let bits = (micros as i64 as f64).to_bits() >> SHIFT;
    #[allow(clippy::cast_possible_truncation, reason = "a place is as long as the bits of a float here")]
    let range = bits.wrapping_sub(ONE) as usize;
    range
}

/// The range with this number. Ranges without a whole microsecond are never looked up.
fn range_of(number: usize) -> Range {
    let first = f64::from_bits((number as u64 + ONE) << SHIFT).ceil();
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most an hour and a bit")]
    let first = first as u64;
    let bucket = by_logarithm(first);
    let (mut last, mut beyond) = (first, first + (first >> BITS) + 2);
    while last + 1 < beyond {
        let middle = last.midpoint(beyond);
        if by_logarithm(middle) == bucket { last = middle } else { beyond = middle }
    }
    Range { last: u32::try_from(last).unwrap_or(u32::MAX), bucket }
}

/// The bucket of a time by its logarithm.
fn by_logarithm(micros: u64) -> u32 {
    #[allow(clippy::cast_precision_loss, reason = "at most an hour")]
    let bucket = Sketch::bucket(micros as f64 / 1e6);
    u32::try_from(i32::from(bucket) - i32::from(*LOWEST)).unwrap_or(0)
}

/// Finds the bucket of a time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Buckets(&'static [Range]);

impl Buckets {
    pub(super) fn new() -> Self {
        Self(&RANGES)
    }

    /// The index of the bucket of a time in microseconds.
    #[inline]
    pub(super) fn of(self, micros: u64) -> usize {
        let Some(range) = self.0.get(range(micros)) else { return self.of_extreme(micros) };
        #[allow(clippy::cast_possible_truncation, reason = "what is in a range is little more than an hour")]
        let is_next = micros as u32 > range.last;
        (range.bucket + u32::from(is_next)) as usize
    }

    /// The index for extreme times: 0 counts as one microsecond, and more than an hour as an hour.
    #[cold]
    fn of_extreme(self, micros: u64) -> usize {
        if micros == 0 { 0 } else { self.of(LONGEST_MICROS) }
    }

    fn count(self) -> usize {
        self.0.last().map_or(0, |range| range.bucket as usize + 2)
    }
}

/// Counts of times per bucket.
#[derive(Debug, Clone, Default)]
pub(super) struct Dense {
    /// Empty until the first count.
    counts: Box<[u64]>,
}

impl Dense {
    /// Counts a time in microseconds.
    #[inline]
    pub(super) fn add(&mut self, buckets: Buckets, micros: u64) {
        let place = buckets.of(micros);
        match self.counts.get_mut(place) {
            Some(times) => *times += 1,
            None => self.begin(buckets, place),
        }
    }

    #[cold]
    fn begin(&mut self, buckets: Buckets, place: usize) {
        self.counts = vec![0; buckets.count()].into_boxed_slice();
        if let Some(times) = self.counts.get_mut(place) {
            *times += 1;
        }
    }

    /// The same as a sketch.
    pub(super) fn sketch(&self) -> Sketch {
        let counted = (*LOWEST..).zip(self.counts.iter().copied()).filter(|(_, times)| *times > 0);
        Sketch::from_buckets(counted)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn both(times: impl Iterator<Item = u64>) -> (Sketch, Sketch) {
        let (mut dense, mut sketch) = (Dense::default(), Sketch::default());
        for micros in times {
            dense.add(Buckets::new(), micros);
            sketch.add(micros as f64 / 1e6, 1);
        }
        (dense.sketch(), sketch)
    }

    #[test]
    fn every_time_around_a_power_of_two_is_in_the_sketchs_bucket() {
        for exponent in 0..32 {
            let power = 1_u64 << exponent;
            let around = (power.saturating_sub(70).max(1)..power + 70).filter(|micros| *micros <= LONGEST_MICROS);
            let (dense, sketch) = both(around);
            assert_eq!(dense, sketch, "around {power} µs");
        }
    }

    #[test]
    fn no_time_is_too_short_or_too_long() {
        let mut dense = Dense::default();
        for micros in [0, 1, LONGEST_MICROS, LONGEST_MICROS + 1, u64::MAX] {
            dense.add(Buckets::new(), micros);
        }
        assert_eq!(dense.sketch().count(), 5);
        assert!((dense.sketch().quantile(1.0).unwrap() / 3_600.0 - 1.0).abs() < 0.021);
    }

    proptest! {
        #[test]
        fn times_are_in_the_sketchs_buckets(exponents in prop::collection::vec(0.0..31.7_f64, 0..200)) {
            let times = exponents.iter().map(|e| (e.exp2() as u64).min(LONGEST_MICROS));
            let (dense, sketch) = both(times);
            prop_assert_eq!(dense, sketch);
        }
    }
}
