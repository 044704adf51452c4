//! A single jump from one level to another.

use super::residuals::Residuals;
use super::{Blocks, Point, median, real};

/// Fewest points of a level.
const FEWEST_A_SIDE: usize = 6;
/// Number of places tried before the neighbours of the best one.
const PLACES: usize = 64;
/// Maximum number of resamples for the p-value, whose minimum is 1 over one more: with Holm's correction over 30
/// series it can still be below 0.05.
const MOST_DRAWS: u32 = 9_999;
/// Resampling ends when this many steps as large have been seen (J. Besag and P. Clifford, "Sequential Monte
/// Carlo p-values", Biometrika 78 (1991) 301–304).
const ENOUGH_AS_LARGE: u32 = 50;
/// Residuals are clipped at this many median absolute deviations, so that a few outliers do not make a step. Of
/// normal noise, 0.7 % lie farther out.
const OUTLYING: f64 = 4.0;

/// A jump of a series from one level to another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// Time of the first point at the new level, in hours.
    pub hours: f64,
    /// The median before.
    pub before: f64,
    /// The median from then on.
    pub after: f64,
    /// Probability of so large a step anywhere in a flat series.
    pub p: f64,
    /// Mean absolute distance of the points from their level.
    pub(super) distance: f64,
}

impl Step {
    /// The step that fits best by absolute distances; `None` if a side would have fewer than six points.
    #[must_use]
    pub fn of(series: &[Point], block: usize) -> Option<Self> {
        let values: Vec<f64> = series.iter().map(|point| point.value).collect();
        let place = best_place(&values)?;
        let fit = Levels::at(&values, place)?;
        let residuals = Residuals::new(fit.residuals(&values));
        Some(Self {
            hours: series[place].hours,
            before: fit.before,
            after: fit.after,
            p: p_value(&fit, residuals, block),
            distance: fit.distance,
        })
    }
}

/// Two levels that meet at an index.
struct Levels {
    place: usize,
    before: f64,
    after: f64,
    /// Mean absolute distance from the levels.
    distance: f64,
}

impl Levels {
    fn at(values: &[f64], place: usize) -> Option<Self> {
        let before = median(&mut values[..place].to_vec())?;
        let after = median(&mut values[place..].to_vec())?;
        let mut fit = Self { place, before, after, distance: 0.0 };
        fit.distance = fit.residuals(values).iter().map(|rest| rest.abs()).sum::<f64>() / real(values.len());
        Some(fit)
    }

    fn residuals(&self, values: &[f64]) -> Vec<f64> {
        values.iter().enumerate().map(|(i, value)| value - self.level(i)).collect()
    }

    fn level(&self, i: usize) -> f64 {
        if i < self.place { self.before } else { self.after }
    }
}

/// The index at which two levels fit best: tries evenly spread places, then every one around the best of them.
fn best_place(values: &[f64]) -> Option<usize> {
    let (first, last) = (FEWEST_A_SIDE, values.len().checked_sub(FEWEST_A_SIDE)?);
    let stride = (last.checked_sub(first)? / PLACES).max(1);
    let best = |places: &mut dyn Iterator<Item = usize>| {
        places
            .filter_map(|place| Levels::at(values, place))
            .min_by(|a, b| a.distance.total_cmp(&b.distance))
            .map(|fit| fit.place)
    };
    let near = best(&mut (first..=last).step_by(stride))?;
    best(&mut (near.saturating_sub(stride).max(first)..=(near + stride).min(last)))
}

/// The fraction of resamples of the series with a step as large anywhere. Resampling the series itself, not its
/// residuals, keeps the level of the test: choosing the best of all places reduces the residuals more than a fit at
/// a known place would.
fn p_value(fit: &Levels, mut residuals: Residuals, block: usize) -> f64 {
    let n = residuals.values.len();
    let mut blocks = Blocks::new(n, block);
    let inflation = residuals.inflation(&blocks);
    winsorise(&mut residuals.values);
    let seen: Vec<f64> = residuals.values.iter().enumerate().map(|(i, rest)| rest + fit.level(i)).collect();
    let found = largest_jump(seen.iter().copied(), n);
    let mut drawn = Vec::with_capacity(n);
    let mut as_large = 0_u32;
    for draw in 1..=MOST_DRAWS {
        drawn.clear();
        drawn.extend(blocks.draw().flat_map(|range| &seen[range]));
        let jump = largest_jump(drawn.iter().copied(), n);
        as_large += u32::from(jump * inflation >= found);
        if as_large == ENOUGH_AS_LARGE {
            return f64::from(as_large) / f64::from(draw);
        }
    }
    f64::from(1 + as_large) / f64::from(1 + MOST_DRAWS)
}

fn winsorise(residuals: &mut [f64]) {
    let mut distances: Vec<f64> = residuals.iter().map(|rest| rest.abs()).collect();
    let Some(deviation) = median(&mut distances) else { return };
    let most = OUTLYING * deviation;
    residuals.iter_mut().for_each(|rest| *rest = rest.clamp(-most, most));
}

/// The largest difference of means before and after any place, in units that make places comparable.
fn largest_jump(values: impl Iterator<Item = f64> + Clone, n: usize) -> f64 {
    let whole: f64 = values.clone().sum();
    let mut sum = 0.0;
    let mut largest = 0.0_f64;
    for (i, value) in values.enumerate() {
        sum += value;
        let (before, after) = (i + 1, n - i - 1);
        if before >= FEWEST_A_SIDE && after >= FEWEST_A_SIDE {
            let difference = sum / real(before) - (whole - sum) / real(after);
            largest = largest.max(difference.abs() * (real(before) * real(after) / real(n)).sqrt());
        }
    }
    largest
}

#[cfg(test)]
mod tests {
    use super::super::made_series::Made;
    use super::*;

    #[test]
    fn a_step_is_found_within_two_minutes_and_a_tenth_of_its_height() {
        for seed in 0..20 {
            let step = Step::of(&Made { step: 5.0, ..Made::flat(seed) }.series(), 10).unwrap();
            assert!((step.hours - 2.0).abs() <= 2.0 / 60.0, "{step:?}");
            assert!((step.after - step.before - 5.0).abs() < 0.5 && step.p < 0.005, "{step:?}");
        }
    }

    #[test]
    fn flat_series_show_a_step_about_as_often_as_p_says() {
        let shown = (0..200)
            .filter(|&seed| {
                Step::of(&Made { points: 120, kept: 0.5, ..Made::flat(seed) }.series(), 10).unwrap().p < 0.05
            })
            .count();
        assert!(shown <= 16, "{shown} of 200");
    }

    #[test]
    fn outliers_alone_are_not_a_step() {
        let shown = (0..100)
            .filter(|&seed| Step::of(&Made { outliers: 0.05, ..Made::flat(seed) }.series(), 10).unwrap().p < 0.05)
            .count();
        assert!(shown <= 10, "{shown} of 100");
    }

    #[test]
    fn too_few_points_have_no_step() {
        assert_eq!(Step::of(&Made { points: 11, ..Made::flat(1) }.series(), 10), None);
    }
}
