//! The moments at which returning users are counted, evenly spaced on a logarithmic scale.

use std::time::Duration;

/// Maximum number of moments; the last is 22 h.
pub const MOST_RETURN_MOMENTS: usize = 60;

/// The nth moment, 0.1 s × 10^(n/10), to the millisecond.
#[must_use]
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small")]
pub fn return_moment(nth: usize) -> Duration {
    let millis = 100.0 * 10_f64.powf(nth.min(MOST_RETURN_MOMENTS) as f64 / 10.0);
    Duration::from_millis(millis.round() as u64)
}

/// Users back at each moment, from times in ascending order, up to the first moment by which all were.
#[must_use]
pub fn return_curve(sorted_millis: &[u32]) -> Vec<u64> {
    let mut curve = Vec::new();
    for moment in (0..MOST_RETURN_MOMENTS).map(return_moment) {
        if curve.last().copied().unwrap_or(0) == sorted_millis.len() as u64 {
            break;
        }
        curve.push(sorted_millis.partition_point(|millis| u128::from(*millis) <= moment.as_millis()) as u64);
    }
    curve
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_moments_are_a_decade_and_the_last_is_after_most_of_a_day() {
        let millis = [0, 1, 3, 10, 20].map(|nth| return_moment(nth).as_millis());
        assert_eq!(millis, [100, 126, 200, 1_000, 10_000]);
        assert!((return_moment(MOST_RETURN_MOMENTS - 1).as_secs_f64() / 3_600.0 - 22.06).abs() < 0.01);
    }

    #[test]
    fn the_curve_ends_where_all_are_back() {
        assert!(return_curve(&[]).is_empty());
        assert_eq!(return_curve(&[20, 126, 127, 1_000]), [1, 2, 3, 3, 3, 3, 3, 3, 3, 3, 4]);
        let never = return_curve(&[50, u32::MAX]);
        assert_eq!((never.len(), never.last()), (MOST_RETURN_MOMENTS, Some(&1)));
    }
}
