//! Whether a figure of a run changes with time, and how.

use super::slope::Slope;
use super::step::Step;
use super::{Point, median, real};

/// Fewest points for a statement about drift.
pub const FEWEST_POINTS: usize = 30;
/// Significance level of every test here.
const SIGNIFICANT: f64 = 0.05;
/// Smallest relative change over the whole stretch that is reported.
const WORTH_MENTIONING: f64 = 0.02;

/// How a series moved over its stretch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Drift {
    /// Hours from the first point to the last.
    pub hours: f64,
    /// The slope over the whole stretch.
    pub slope: Slope,
    /// The single step that fits better than the slope, by the Bayesian information criterion.
    pub step: Option<Step>,
}

/// The kind of change of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Change {
    /// Not beyond chance, or too small to report.
    None,
    /// A steady rise or fall.
    Slope(Slope),
    /// A jump from one level to another.
    Step(Step),
}

impl Drift {
    /// Examines a stretch in order of time; `block` is the number of correlated neighbours (ten minutes' worth).
    /// `None` if it has fewer than 30 points.
    #[must_use]
    pub fn of(stretch: &[Point], block: usize) -> Option<Self> {
        if stretch.len() < FEWEST_POINTS {
            return None;
        }
        let slope = Slope::of(stretch, block)?;
        let step = Step::of(stretch, block).filter(|step| fits_better(stretch, &slope, step));
        let hours = stretch.last()?.hours - stretch.first()?.hours;
        Some(Self { hours, slope, step })
    }

    /// Probability of such a change in a flat series, by the model that fits better; doubled, because there are two to
    /// choose from (Bonferroni). For several series, apply [`adjusted`](super::adjusted) as well.
    #[must_use]
    pub fn p(&self) -> f64 {
        (2.0 * self.step.map_or(self.slope.p, |step| step.p)).min(1.0)
    }

    /// The change per hour relative to the fit at the start, with its interval: value, low, high. `None` if the start
    /// is 0 or less.
    #[must_use]
    pub fn relative_per_hour(&self) -> Option<[f64; 3]> {
        let Slope { per_hour, low, high, start, .. } = self.slope;
        (start > 0.0).then(|| [per_hour, low, high].map(|bound| bound / start))
    }

    /// The change over the whole stretch, relative to its start; infinite from a start of 0.
    #[must_use]
    pub fn whole(&self) -> f64 {
        let (change, start) = match &self.step {
            Some(step) => (step.after - step.before, step.before),
            None => (self.slope.per_hour * self.hours, self.slope.start),
        };
        if change == 0.0 { 0.0 } else { change / start.abs() }
    }

    /// The kind of change, given the p-value after correction for other series.
    #[must_use]
    pub fn change(&self, adjusted_p: f64) -> Change {
        if adjusted_p >= SIGNIFICANT || self.whole().abs() <= WORTH_MENTIONING {
            return Change::None;
        }
        self.step.map_or(Change::Slope(self.slope), Change::Step)
    }
}

/// Whether the step has the lower information criterion (G. Schwarz, "Estimating the dimension of a
/// model", Annals of Statistics 6 (1978) 461–464), with the likelihood of Laplace's distribution, which
/// absolute distances belong to. The step has a parameter more: its time.
fn fits_better(stretch: &[Point], slope: &Slope, step: &Step) -> bool {
    let n = slope.effective.max(2.0);
    let line = distance(stretch, slope);
    if line <= 0.0 {
        return false;
    }
    2.0 * n * (step.distance.max(f64::MIN_POSITIVE) / line).ln() + n.ln() < 0.0
}

/// Mean absolute distance of the points from the line.
fn distance(stretch: &[Point], slope: &Slope) -> f64 {
    let Some(origin) = stretch.first().map(|point| point.hours) else { return 0.0 };
    let rest = |point: &Point| point.value - slope.start - slope.per_hour * (point.hours - origin);
    let mut rests: Vec<f64> = stretch.iter().map(rest).collect();
    let middle = median(&mut rests).unwrap_or(0.0);
    rests.iter().map(|rest| (rest - middle).abs()).sum::<f64>() / real(rests.len())
}

/// The longest run of points without one of the times in `breaks` (hours, in order) inside it; the first
/// of several.
#[must_use]
pub fn longest_stretch<'a>(series: &'a [Point], breaks: &[f64]) -> &'a [Point] {
    let part = |point: &Point| breaks.partition_point(|at| *at <= point.hours);
    series
        .chunk_by(|a, b| part(a) == part(b))
        .fold(&series[..0], |longest, stretch| if stretch.len() > longest.len() { stretch } else { longest })
}

#[cfg(test)]
mod tests {
    use super::super::made_series::Made;
    use super::*;

    fn change(made: Made) -> Change {
        let drift = Drift::of(&made.series(), 10).unwrap();
        drift.change(drift.p())
    }

    #[test]
    fn of_1000_flat_series_at_most_7_percent_drift() {
        let mut drifting = 0;
        for seed in 0..1_000 {
            let points = [30, 45, 60, 90, 120][usize::try_from(seed % 5).unwrap()];
            let kept = [0.0, 0.3, 0.6][usize::try_from(seed % 3).unwrap()];
            // The level is so low that any significant change is over 2 % of it.
            drifting += u32::from(change(Made { points, kept, level: 1.0, ..Made::flat(seed) }) != Change::None);
        }
        assert!(drifting <= 70, "{drifting} of 1,000");
    }

    #[test]
    fn a_slope_of_a_tenth_an_hour_is_said_to_be_a_slope() {
        let mut slopes = 0;
        for seed in 0..50 {
            match change(Made { points: 480, kept: 0.5, slope: 10.0, ..Made::flat(seed) }) {
                Change::Slope(slope) => {
                    assert!((slope.per_hour - 10.0).abs() < 1.0, "{slope:?}");
                    slopes += 1;
                }
                other => assert!(matches!(other, Change::None), "{other:?}"),
            }
        }
        assert!(slopes >= 49, "{slopes} of 50");
    }

    #[test]
    fn a_step_is_said_to_be_a_step() {
        let steps = (0..50)
            .filter(|&seed| matches!(change(Made { step: 10.0, kept: 0.3, ..Made::flat(seed) }), Change::Step(_)))
            .count();
        assert!(steps >= 48, "{steps} of 50");
    }

    #[test]
    fn a_change_of_less_than_2_percent_is_not_mentioned() {
        assert_eq!(change(Made { level: 1_000.0, slope: 4.0, ..Made::flat(1) }), Change::None);
        let steep = change(Made { level: 1_000.0, slope: 10.0, ..Made::flat(1) });
        assert!(matches!(steep, Change::Slope(_)), "{steep:?}");
    }

    #[test]
    fn relative_growth_is_of_the_fit_at_the_start() {
        let drift = Drift::of(&Made { slope: 10.0, ..Made::flat(3) }.series(), 10).unwrap();
        let [value, low, high] = drift.relative_per_hour().unwrap();
        assert!(low < 0.1 && 0.1 < high && (value - 0.1).abs() < 0.01, "{value} {low} {high}");
    }

    #[test]
    fn a_restart_ends_a_stretch_and_the_longest_counts() {
        let series = Made { points: 100, ..Made::flat(1) }.series();
        let at = |i: usize| series[i].hours;
        assert_eq!(longest_stretch(&series, &[at(20), at(70)]), &series[20..70]);
        assert_eq!(longest_stretch(&series, &[]).len(), 100);
        assert!(longest_stretch(&[], &[1.0]).is_empty());
    }

    #[test]
    fn a_leak_that_restarts_clear_is_found_in_the_longest_stretch() {
        let mut series = Made { points: 300, slope: 20.0, ..Made::flat(4) }.series();
        for (i, point) in series.iter_mut().enumerate() {
            // Restarted after 90 points: what had grown is gone.
            if i >= 90 {
                point.value -= 30.0;
            }
        }
        let stretch = longest_stretch(&series, &[series[90].hours]);
        let drift = Drift::of(stretch, 10).unwrap();
        assert!(matches!(drift.change(drift.p()), Change::Slope(_)), "{drift:?}");
        assert!((drift.slope.per_hour - 20.0).abs() < 1.0);
    }

    #[test]
    fn fewer_than_30_points_say_nothing() {
        assert_eq!(Drift::of(&Made { points: 29, ..Made::flat(1) }.series(), 10), None);
    }
}
