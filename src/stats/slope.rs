//! The slope of a figure, and its certainty.

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::resample::REPLICATES;
use super::residuals::Residuals;
use super::{Blocks, Point, median, real};

/// A resample's slope is the median over at most about this many pairs of points; the series' own covers all pairs
/// up to [`ALL_PAIRS`].
const SAMPLED_PAIRS: usize = 1_000;
/// Maximum number of pairs; a series of 1,440 points has a million.
const ALL_PAIRS: usize = 1 << 20;

/// A slope with its 95 % confidence interval, in units of the figure per hour.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slope {
    /// The median of the slopes of all pairs of points (P. K. Sen, "Estimates of the regression
    /// coefficient based on Kendall's tau", Journal of the American Statistical Association 63 (1968)
    /// 1379–1389): a third of the points may be outliers.
    pub per_hour: f64,
    /// Lower bound; infinite if there are too few independent points.
    pub low: f64,
    /// Upper bound.
    pub high: f64,
    /// Probability of so steep a slope in a flat series.
    pub p: f64,
    /// The fit at the first point.
    pub start: f64,
    /// Autocorrelation of the residuals at lag one.
    pub autocorrelation: f64,
    /// The equivalent number of independent points.
    pub effective: f64,
}

impl Slope {
    /// Fewest points for an interval.
    pub const FEWEST: usize = 6;

    /// The slope of a series in order of time; `block` is the number of correlated neighbours (ten minutes' worth).
    /// `None` if there are fewer than six points or all have the same time.
    #[must_use]
    pub fn of(series: &[Point], block: usize) -> Option<Self> {
        if series.len() < Self::FEWEST {
            return None;
        }
        let hours: Vec<f64> = series.iter().map(|point| point.hours).collect();
        let values: Vec<f64> = series.iter().map(|point| point.value).collect();
        let per_hour = theil_sen(&hours, &values, ALL_PAIRS)?;
        let rest = values.iter().zip(&hours).map(|(value, at)| value - per_hour * (at - hours[0]));
        let start = median(&mut rest.clone().collect::<Vec<_>>())?;
        let residuals = Residuals::new(rest.collect());
        let mut blocks = Blocks::new(series.len(), block);
        let freedom = residuals.freedom(&blocks);
        let (margin, p) = if freedom < 1.0 {
            margin_of_a_walk(series, per_hour)
        } else {
            let error = standard_error(&hours, &residuals, &mut blocks)? * residuals.inflation(&blocks);
            margin(per_hour, error, freedom)
        };
        Some(Self {
            per_hour,
            low: per_hour - margin,
            high: per_hour + margin,
            p,
            start,
            autocorrelation: residuals.autocorrelation,
            effective: residuals.effective(),
        })
    }
}

/// Half the width of the 95 % interval, and the p-value of `found` against 0, by Student's t.
fn margin(found: f64, error: f64, freedom: f64) -> (f64, f64) {
    let Ok(student) = StudentsT::new(0.0, 1.0, freedom.max(f64::MIN_POSITIVE)) else { return (f64::INFINITY, 1.0) };
    if freedom < 1.0 {
        return (f64::INFINITY, 1.0);
    }
    let margin = student.inverse_cdf(0.975) * error;
    if found == 0.0 {
        return (margin, 1.0);
    }
    let p = if error > 0.0 { 2.0 * student.sf((found / error).abs()) } else { 0.0 };
    (margin, p)
}

/// The same if the residuals are so correlated that no two points are independent, as when memory grows smoothly.
/// Then the steps from point to point are independent, as in a random walk, and the slope is their mean
/// (J. D. Hamilton, "Time Series Analysis", Princeton 1994, section 17.4). `found`, the median of the slopes, may
/// differ from it, which widens the interval.
fn margin_of_a_walk(series: &[Point], found: f64) -> (f64, f64) {
    let steps: Vec<[f64; 2]> =
        series.windows(2).map(|pair| [pair[1].hours - pair[0].hours, pair[1].value - pair[0].value]).collect();
    let [hours, change] = steps.iter().fold([0.0, 0.0], |sum, step| [sum[0] + step[0], sum[1] + step[1]]);
    let mean = change / hours;
    let square: f64 = steps.iter().filter(|step| step[0] > 0.0).map(|[h, v]| (v - mean * h).powi(2) / h).sum();
    let freedom = real(steps.len()) - 1.0;
    let (margin, p) = margin(mean, (square / freedom / hours).sqrt(), freedom);
    (margin + (found - mean).abs(), p)
}

/// The standard deviation of the slopes of resampled residuals.
fn standard_error(hours: &[f64], residuals: &Residuals, blocks: &mut Blocks) -> Option<f64> {
    let mut drawn = Vec::with_capacity(hours.len());
    let mut slopes = Vec::with_capacity(REPLICATES);
    for _ in 0..REPLICATES {
        drawn.clear();
        drawn.extend(blocks.draw().flat_map(|range| &residuals.values[range]));
        slopes.push(theil_sen(hours, &drawn, SAMPLED_PAIRS)?);
    }
    let mean = slopes.iter().sum::<f64>() / real(REPLICATES);
    let square: f64 = slopes.iter().map(|slope| (slope - mean).powi(2)).sum();
    Some((square / real(REPLICATES - 1)).sqrt())
}

/// The median slope over the pairs of points; if there are more than `most` pairs, over those whose distance is a
/// multiple of a stride, near and far ones alike.
fn theil_sen(hours: &[f64], values: &[f64], most: usize) -> Option<f64> {
    let n = hours.len();
    let stride = (n * (n - 1) / 2).div_ceil(most).max(1);
    let mut slopes = Vec::with_capacity((n * n / 2 / stride).min(most) + n);
    for distance in (1..n).rev().step_by(stride) {
        for i in 0..n - distance {
            let (from, to) = (i, i + distance);
            let run = hours[to] - hours[from];
            if run > 0.0 {
                slopes.push((values[to] - values[from]) / run);
            }
        }
    }
    median(&mut slopes)
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt as _, SeedableRng};

    use super::super::made_series::Made;
    use super::*;

    #[test]
    fn a_straight_line_is_found_exactly() {
        let line: Vec<Point> =
            (0..40).map(|i| Point { hours: f64::from(i) / 60.0, value: 3.0 + 0.5 * f64::from(i) / 60.0 }).collect();
        let slope = Slope::of(&line, 10).unwrap();
        assert!((slope.per_hour - 0.5).abs() < 1e-9 && slope.high - slope.low < 1e-6, "{slope:?}");
        assert!((slope.start - 3.0).abs() < 1e-9 && slope.p < 1e-6, "{slope:?}");
        assert_eq!(Slope::of(&line[..Slope::FEWEST - 1], 10), None);
        assert_eq!(Slope::of(&[line[0]; 20], 10), None);
    }

    #[test]
    fn the_interval_holds_the_truth_about_as_often_as_it_says() {
        for (points, kept) in [(15, 0.0), (60, 0.3), (120, 0.6)] {
            let hits = (0..200)
                .filter(|&seed| {
                    let made = Made { points, kept, slope: 20.0, ..Made::flat(seed) };
                    let slope = Slope::of(&made.series(), 10).unwrap();
                    (slope.low..=slope.high).contains(&20.0)
                })
                .count();
            assert!(hits >= 184, "{hits} of 200 intervals over {points} points hold the truth where {kept} is kept");
        }
    }

    /// A random walk of 60 minutes about a line, its steps by Irwin and Hall's approximation of the normal.
    fn walk(seed: u64, per_hour: f64) -> Vec<Point> {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut value = 1_000.0;
        let mut step = |minute: u32| {
            value += per_hour / 60.0 + (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0;
            Point { hours: f64::from(minute) / 60.0, value }
        };
        (0..60).map(&mut step).collect()
    }

    fn mean_step(series: &[Point]) -> f64 {
        let [first, .., last] = series else { return 0.0 };
        (last.value - first.value) / (last.hours - first.hours)
    }

    #[test]
    fn the_interval_of_a_random_walk_holds_its_drift() {
        let held = (0..1_000)
            .map(|seed| walk(seed, 60.0))
            .filter(|series| (mean_step(series) - 60.0).abs() <= margin_of_a_walk(series, mean_step(series)).0)
            .count();
        assert!(held >= 930, "{held} of 1,000 intervals hold the drift");
    }

    #[test]
    fn a_random_walk_without_drift_rarely_looks_like_one_with() {
        let shown = (0..1_000)
            .map(|seed| walk(seed, 0.0))
            .filter(|series| margin_of_a_walk(series, mean_step(series)).1 < 0.05)
            .count();
        assert!(shown <= 70, "{shown} of 1,000");
    }

    #[test]
    fn a_slightly_bent_leak_without_noise_is_found() {
        let bent = |i: u32| f64::from(i) + 0.01 * f64::from(i * (36 - i)) / 36.0;
        let series: Vec<Point> =
            (0..36).map(|i| Point { hours: f64::from(i) / 60.0, value: 200.0 + bent(i) }).collect();
        let slope = Slope::of(&series, 10).unwrap();
        assert!(slope.p < 1e-6 && slope.low > 50.0 && slope.high < 70.0, "{slope:?}");
    }

    #[test]
    fn a_tenth_of_outliers_moves_the_slope_by_less_than_its_interval() {
        for seed in 0..20 {
            let made = Made { points: 240, slope: 5.0, outliers: 0.1, ..Made::flat(seed) };
            let slope = Slope::of(&made.series(), 10).unwrap();
            assert!(slope.per_hour > 4.0 && slope.per_hour < 6.0, "{slope:?}");
        }
    }

    #[test]
    fn too_few_independent_points_have_an_endless_interval() {
        let (margin, p) = margin(1.0, 0.1, 0.5);
        assert!(margin.is_infinite() && (p - 1.0).abs() < f64::EPSILON);
    }
}
