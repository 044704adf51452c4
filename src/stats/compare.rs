//! The difference between a figure of two runs, and its certainty.
//!
//! Deliveries of one message share its fate, so the unit is the slice: each side is resampled by blocks of slices.
//! One run per side cannot show how much runs vary; these intervals do not include that.

use statrs::distribution::{Beta, Binomial, ContinuousCDF, DiscreteCDF, StudentsT};

use super::resample::REPLICATES;
use super::residuals::Residuals;
use super::sketch::quantile_of;
use super::{Blocks, Sketch, real};

/// The events of a slice, and their base.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Number of events.
    pub part: u64,
    /// The base.
    pub of: u64,
}

/// Events on one side without common causes: messages that any receiver missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Independent {
    /// Messages with the event.
    pub events: u64,
    /// All messages.
    pub trials: u64,
}

/// A figure on both sides.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difference {
    /// The figure of the first run.
    pub before: f64,
    /// The figure of the second.
    pub after: f64,
    /// `after / before`, with its 95 % interval: value, low, high. Infinite or 0 if a side has none.
    pub ratio: [f64; 3],
    /// Probability of such a difference by chance.
    pub p: f64,
}

/// Compares two ratios of sums over slices, where `block` neighbours are correlated. If a side has no events, the
/// messages are compared by an exact test instead; `None` if neither has events, or a base is 0.
#[must_use]
pub fn shares(before: &[Share], after: &[Share], messages: [Independent; 2], block: usize) -> Option<Difference> {
    let (a, b) = (total(before)?, total(after)?);
    if a == 0.0 && b == 0.0 {
        return None;
    }
    if a == 0.0 || b == 0.0 {
        let (ratio, p) = exact(messages)?;
        return Some(Difference { before: a, after: b, ratio: [b / a, ratio[0], ratio[1]], p });
    }
    let pairs = |slices: &[Share]| slices.iter().map(|slice| [wide(slice.part), wide(slice.of)]).collect::<Vec<_>>();
    ratios(&pairs(before), &pairs(after), block)
}

/// Compares two ratios of sums over slices, each a part and its base. `None` if a sum is not positive.
#[must_use]
pub fn ratios(before: &[[f64; 2]], after: &[[f64; 2]], block: usize) -> Option<Difference> {
    let sums = |slices: &[[f64; 2]]| slices.iter().fold([0.0, 0.0], |sum, [a, b]| [sum[0] + a, sum[1] + b]);
    let whole = |slices| Some(sums(slices)).filter(|[a, b]| *a > 0.0 && *b > 0.0).map(|[a, b]| a / b);
    let (a, b) = (whole(before)?, whole(after)?);
    let sides = [(before, a), (after, b)].map(|(slices, whole)| ratio_error(slices, whole, block));
    Some(difference(a, b, sides))
}

/// Compares a quantile of two series of sketches. `None` if a side has no durations.
#[must_use]
pub fn quantiles(before: &[Sketch], after: &[Sketch], q: f64, block: usize) -> Option<Difference> {
    Quantiles::of(before, block).difference(&Quantiles::of(after, block), q)
}

/// A standard error of the logarithm of a figure, and its degrees of freedom.
#[derive(Debug, Clone, Copy)]
struct Uncertainty {
    error: f64,
    freedom: f64,
}

/// The interval of a ratio whose logarithm is normal on both sides, by Student's t with the fewer degrees
/// of freedom.
fn difference(before: f64, after: f64, sides: [Uncertainty; 2]) -> Difference {
    let log = (after / before).ln();
    let error = sides[0].error.hypot(sides[1].error);
    let freedom = sides[0].freedom.min(sides[1].freedom);
    let student = StudentsT::new(0.0, 1.0, freedom).ok().filter(|_| freedom >= 1.0);
    let (margin, p) = match student {
        None => (f64::INFINITY, 1.0),
        Some(student) if error > 0.0 => (student.inverse_cdf(0.975) * error, 2.0 * student.sf((log / error).abs())),
        Some(_) => (0.0, if log == 0.0 { 1.0 } else { 0.0 }),
    };
    Difference { before, after, ratio: [log, log - margin, log + margin].map(f64::exp), p }
}

/// Probability of a difference at least this far from 0 by chance, by Student's t, given half the width of its 95 %
/// interval and its degrees of freedom; 1 if those are under one.
#[must_use]
pub fn two_sided_p(difference: f64, half_width: f64, freedom: f64) -> f64 {
    match StudentsT::new(0.0, 1.0, freedom.max(f64::MIN_POSITIVE)) {
        Ok(student) if freedom >= 1.0 && difference != 0.0 => {
            2.0 * student.sf((difference / half_width).abs() * student.inverse_cdf(0.975))
        }
        _ => 1.0,
    }
}

fn total(slices: &[Share]) -> Option<f64> {
    let sum = |of: fn(&Share) -> u64| slices.iter().map(of).fold(0, u64::saturating_add);
    let (part, of) = (sum(|slice| slice.part), sum(|slice| slice.of));
    (of > 0).then(|| wide(part) / wide(of))
}

fn ratio_error(slices: &[[f64; 2]], whole: f64, block: usize) -> Uncertainty {
    let rows: Vec<Vec<f64>> = slices.iter().map(|slice| slice.to_vec()).collect();
    let rests = slices.iter().map(|[part, of]| part - whole * of).collect();
    Resamples::of(&rows, block).error(rests, |sums| (sums[0] > 0.0 && sums[1] > 0.0).then(|| sums[0] / sums[1]))
}

/// The sketches of one run's slices and of its resamples, for any number of quantiles.
#[derive(Debug)]
pub struct Quantiles {
    lowest: i16,
    /// The slices' counts over one range of buckets.
    rows: Vec<Vec<f64>>,
    resamples: Resamples,
}

impl Quantiles {
    /// From slices in order of time, where `block` neighbours are correlated.
    #[must_use]
    pub fn of(slices: &[Sketch], block: usize) -> Self {
        let all = || slices.iter().flat_map(Sketch::buckets).map(|(bucket, _)| bucket);
        let lowest = all().min().unwrap_or(0);
        let width = all().max().map_or(0, |highest| usize::from(highest.abs_diff(lowest)) + 1);
        let row = |slice: &Sketch| {
            let mut row = vec![0.0; width];
            slice.buckets().for_each(|(bucket, times)| row[usize::from(bucket.abs_diff(lowest))] += wide(times));
            row
        };
        let rows: Vec<Vec<f64>> = slices.iter().map(row).collect();
        Self { lowest, resamples: Resamples::of(&rows, block), rows }
    }

    /// Compares a quantile with that of a later run. `None` if a side has no durations.
    #[must_use]
    pub fn difference(&self, after: &Self, q: f64) -> Option<Difference> {
        let (a, b) = (self.whole(q)?, after.whole(q)?);
        Some(difference(a, b, [self.error(a, q), after.error(b, q)]))
    }

    fn quantile(&self, counts: &[f64], q: f64) -> Option<f64> {
        quantile_of((self.lowest..).zip(counts.iter().copied()), counts.iter().sum(), q)
    }

    fn whole(&self, q: f64) -> Option<f64> {
        self.quantile(running_sums(&self.rows).last()?, q)
    }

    fn error(&self, whole: f64, q: f64) -> Uncertainty {
        let rests = self.rows.iter().map(|row| self.quantile(row, q).unwrap_or(whole).ln()).collect();
        self.resamples.error(rests, |counts| self.quantile(counts, q))
    }
}

/// The summed rows of each resample.
#[derive(Debug)]
struct Resamples {
    blocks: Blocks,
    sums: Vec<Vec<f64>>,
}

impl Resamples {
    fn of(rows: &[Vec<f64>], block: usize) -> Self {
        let mut blocks = Blocks::new(rows.len(), block);
        let sums = running_sums(rows);
        let mut draw = || {
            let mut drawn = vec![0.0; rows.first().map_or(0, Vec::len)];
            for range in blocks.draw() {
                for (sum, (to, from)) in drawn.iter_mut().zip(sums[range.end].iter().zip(&sums[range.start])) {
                    *sum += to - from;
                }
            }
            drawn
        };
        Self { sums: (0..REPLICATES).map(|_| draw()).collect(), blocks }
    }

    /// The bootstrap standard error of the logarithm of a figure of summed rows; `rests` are the residuals that show
    /// the correlation of neighbouring slices.
    fn error(&self, rests: Vec<f64>, figure: impl Fn(&[f64]) -> Option<f64>) -> Uncertainty {
        let residuals = Residuals::new(rests);
        let logs: Vec<f64> = self.sums.iter().filter_map(|drawn| figure(drawn)).map(f64::ln).collect();
        let mean = logs.iter().sum::<f64>() / real(logs.len());
        let square: f64 = logs.iter().map(|log| (log - mean).powi(2)).sum();
        let error = (square / (real(logs.len()) - 1.0)).sqrt() * residuals.inflation(&self.blocks);
        Uncertainty { error, freedom: residuals.freedom(&self.blocks) }
    }
}

/// The sums of the rows before each position, and after the last.
fn running_sums(rows: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let mut sums = vec![vec![0.0; rows.first().map_or(0, Vec::len)]];
    for row in rows {
        let next = sums[sums.len() - 1].iter().zip(row).map(|(sum, value)| sum + value).collect();
        sums.push(next);
    }
    sums
}

/// The test if one side has no events: whether that is more than chance, by the exact conditional test
/// (J. Przyborowski and H. Wilenski, "Homogeneity of results in testing samples from
/// Poisson series", Biometrika 31 (1940) 313–323), and the interval of the ratio of rates from that of
/// C. J. Clopper and E. S. Pearson (Biometrika 26 (1934) 404–413).
fn exact([before, after]: [Independent; 2]) -> Option<([f64; 2], f64)> {
    let events = before.events.saturating_add(after.events);
    let odds = wide(after.trials) / wide(before.trials);
    if events == 0 || !odds.is_finite() || odds <= 0.0 {
        return None;
    }
    let expected = odds / (1.0 + odds);
    let binomial = Binomial::new(expected, events).ok()?;
    let at_most = binomial.cdf(after.events);
    let at_least = if after.events == 0 { 1.0 } else { binomial.sf(after.events - 1) };
    let p = (2.0 * at_most.min(at_least)).min(1.0);
    let (x, n) = (wide(after.events), wide(events));
    let bound = |a: f64, b: f64, at: f64| Beta::new(a, b).ok().map(|beta| beta.inverse_cdf(at));
    let low = if after.events == 0 { 0.0 } else { bound(x, n - x + 1.0, 0.025)? };
    let high = if after.events == events { 1.0 } else { bound(x + 1.0, n - x, 0.975)? };
    let rates = [low, high].map(|share| if share >= 1.0 { f64::INFINITY } else { share / (1.0 - share) / odds });
    Some((rates, p))
}

#[allow(clippy::cast_precision_loss, reason = "counts below 2^52")]
fn wide(n: u64) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::super::made_series::normal;
    use super::*;

    const SLICES: u64 = 120;

    /// A run of two hours: the level of each slice varies by 2 %, and 50 times to delivery per slice are spread around
    /// it by 40 %.
    fn sketches(seed: u64, scale: f64) -> Vec<Sketch> {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut wander = 0.0;
        let slice = |_| {
            wander = 0.5 * wander + 0.02 * normal(&mut rng);
            let mut sketch = Sketch::default();
            for _ in 0..50 {
                sketch.add(scale * 0.02 * (wander + 0.4 * normal(&mut rng)).exp(), 1);
            }
            sketch
        };
        (0..SLICES).map(slice).collect()
    }

    /// A run whose losses come in bursts.
    fn losses(seed: u64, scale: f64) -> Vec<Share> {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut slice = |_| {
            let burst = if rng.random::<f64>() < 0.2 { 50.0 } else { 5.0 };
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let part = (scale * burst * rng.random::<f64>()).round() as u64;
            Share { part, of: 10_000 }
        };
        (0..SLICES).map(&mut slice).collect()
    }

    const UNSEEN: [Independent; 2] = [Independent { events: 0, trials: 1 }; 2];

    /// How many of 1,000 pairs of neighbours among the runs look different.
    fn seen<R>(runs: impl Iterator<Item = R>, compared: impl Fn(&R, &R) -> Option<Difference>) -> usize {
        let runs: Vec<R> = runs.collect();
        assert_eq!(runs.len(), 1_001);
        runs.windows(2).filter(|pair| compared(&pair[0], &pair[1]).unwrap().p < 0.05).count()
    }

    #[test]
    fn of_1000_pairs_of_p99_without_a_difference_at_most_7_percent_show_one() {
        let shown = seen((0..1_001).map(|seed| sketches(seed, 1.0)), |a, b| quantiles(a, b, 0.99, 10));
        assert!(shown <= 70, "{shown} of 1,000");
    }

    #[test]
    fn of_1000_pairs_of_shares_without_a_difference_at_most_7_percent_show_one() {
        let shown = seen((0..1_001).map(|seed| losses(seed, 1.0)), |a, b| shares(a, b, UNSEEN, 10));
        assert!(shown <= 70, "{shown} of 1,000");
    }

    #[test]
    fn of_1000_pairs_with_a_tenth_more_p99_at_least_90_percent_show_it() {
        let scale = |seed| if seed % 2 == 0 { 1.0 } else { 1.1 };
        let shown = seen((0..1_001).map(|seed| sketches(seed, scale(seed))), |a, b| quantiles(a, b, 0.99, 10));
        assert!(shown >= 900, "{shown} of 1,000");
    }

    #[test]
    fn the_interval_of_a_ratio_holds_the_truth() {
        let held = (0..200)
            .filter(|&seed| {
                let found = quantiles(&sketches(2 * seed, 1.0), &sketches(2 * seed + 1, 1.1), 0.5, 10).unwrap();
                (found.ratio[1]..=found.ratio[2]).contains(&1.1)
            })
            .count();
        assert!(held >= 186, "{held} of 200");
    }

    #[test]
    fn a_side_without_losses_is_compared_by_its_messages() {
        let none = vec![Share { part: 0, of: 10_000 }; 120];
        let some = [vec![Share { part: 90, of: 10_000 }], none[1..].to_vec()].concat();
        let messages = |events| [Independent { events: 0, trials: 1_000 }, Independent { events, trials: 1_000 }];
        // One message that missed 90 receivers is one event, however many deliveries it lost.
        let one = shares(&none, &some, messages(1), 10).unwrap();
        assert!(one.p > 0.9 && one.ratio[1] < 1.0 && one.ratio[2].is_infinite(), "{one:?}");
        let ten = shares(&none, &some, messages(10), 10).unwrap();
        assert!((ten.p - 2.0 / 1024.0).abs() < 1e-9 && ten.ratio[1] > 1.0, "{ten:?}");
        assert_eq!(shares(&none, &none, messages(0), 10), None);
    }

    #[test]
    fn nothing_counted_gives_no_figure() {
        assert_eq!(shares(&[], &losses(1, 1.0), UNSEEN, 10), None);
        assert_eq!(quantiles(&[Sketch::default()], &sketches(1, 1.0), 0.5, 10), None);
    }

    #[test]
    fn two_slices_have_an_endless_interval() {
        let few = &sketches(1, 1.0)[..2];
        let found = quantiles(few, few, 0.5, 10).unwrap();
        assert!(found.ratio[2].is_infinite() && (found.p - 1.0).abs() < 1e-9, "{found:?}");
    }
}
