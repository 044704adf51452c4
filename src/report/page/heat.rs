//! How times to delivery spread, slice by slice: a map of 48 logarithmic buckets.

use super::grid::Row;
use super::view::Heat;
use crate::stats::Sketch;

/// Rows of the map.
const BUCKETS: i32 = 48;
/// Ratio of a sketch bucket's upper to its lower bound.
const BASE: f64 = 51.0 / 49.0;

/// Buckets from 0.1 ms to 100 s: for a map whose times are not known in advance.
pub(super) const ANY_TIME: (i32, i32) = (-230, 115);

/// The map, from the lowest to the highest bucket of a sketch; by default, of the used ones.
/// `None` if nothing was delivered.
pub(super) fn heat(rows: &[Row], bounds: Option<(i32, i32)>) -> Option<Heat> {
    let sketches = || rows.iter().filter_map(|row| row.slice.as_ref()).map(|slice| slice.times.sketch());
    let used = || sketches().flat_map(Sketch::buckets).filter(|(_, n)| *n > 0).map(|(bucket, _)| i32::from(bucket));
    let (lowest, highest) = bounds.or_else(|| used().min().zip(used().max()))?;
    let per_row = ((highest - lowest) / BUCKETS + 1).max(1);
    let buckets = (highest - lowest) / per_row + 1;
    let slices = rows.iter().map(|row| {
        let sketch = row.slice.as_ref().map(|slice| slice.times.sketch());
        sketch.map_or_else(String::new, |sketch| digits(sketch, lowest, per_row, buckets))
    });
    Some(Heat {
        from: BASE.powi(lowest - 1),
        step: BASE.powi(per_row),
        buckets: buckets.unsigned_abs(),
        slices: slices.collect(),
    })
}

fn digits(sketch: &Sketch, lowest: i32, per_row: i32, buckets: i32) -> String {
    let mut counts = vec![0_u64; usize::try_from(buckets).unwrap_or(0)];
    for (bucket, n) in sketch.buckets() {
        let row = ((i32::from(bucket) - lowest) / per_row).clamp(0, buckets - 1);
        let row = usize::try_from(row).unwrap_or(0);
        if let Some(count) = counts.get_mut(row) {
            *count = count.saturating_add(n);
        }
    }
    let all = sketch.count().max(1);
    counts.into_iter().map(|n| digit(n, all)).collect()
}

/// 0 for none, 1 for a ten-thousandth or less, 9 for all, on a logarithmic scale.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
fn digit(n: u64, all: u64) -> char {
    if n == 0 {
        return '0';
    }
    let share = (n as f64 / all as f64).log10() / 4.0 + 1.0;
    let level = (1.0 + share * 8.0).clamp(1.0, 9.0) as u32;
    char::from_digit(level, 10).unwrap_or('9')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::timeline::Slice;

    fn row(times: &[(f64, u64)]) -> Row {
        let mut sketch = Sketch::default();
        times.iter().for_each(|(seconds, n)| sketch.add(*seconds, *n));
        Row { start: 0, seconds: 60, covered: 60.0, slice: Some(Slice { times: sketch.into(), ..Slice::default() }) }
    }

    #[test]
    fn every_delivery_is_in_the_bucket_whose_bounds_hold_it() {
        let times = [0.000_9, 0.02, 0.3, 58.0];
        for seconds in times {
            let rows = [row(&[(0.000_5, 1)]), row(&[(seconds, 7)]), row(&[(60.0, 1)])];
            let map = heat(&rows, None).unwrap();
            assert!(map.buckets <= 48 && map.buckets > 40, "{}", map.buckets);
            let hot: Vec<usize> = map.slices[1].char_indices().filter(|(_, c)| *c != '0').map(|(i, _)| i).collect();
            let [hot] = hot[..] else { panic!("one bucket: {hot:?}") };
            let lower = map.from * map.step.powi(i32::try_from(hot).unwrap());
            assert!(lower <= seconds * 1.000_1 && seconds <= lower * map.step * 1.000_1, "{lower} {seconds}");
        }
    }

    #[test]
    fn one_in_ten_thousand_is_still_seen() {
        let map = heat(&[row(&[(0.01, 9_999), (2.0, 1)])], None).unwrap();
        assert!(map.slices[0].starts_with('8') && map.slices[0].ends_with('1'), "{}", map.slices[0]);
        assert!(heat(&[], None).is_none());
    }
}
