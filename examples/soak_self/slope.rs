//! How fast a figure grows, and how sure that is.
//!
//! Looks a second apart resemble each other, and the faults come in rounds, so looks are not
//! independent and a plain regression over them would be far too sure. Two remedies:
//!
//! - **Batch means**: the points are means over whole rounds, so that the rounds themselves drop
//!   out (B. Schmeiser, "Batch size effects in the analysis of simulation output", Operations
//!   Research 30 (1982) 556–568: ten to thirty batches are enough).
//! - **Effective size**: where the residuals of the regression over these points still have a
//!   positive autocorrelation r of lag one, n points count as n(1−r)/(1+r), both in the standard
//!   error and in the degrees of freedom (B. D. Santer et al., "Statistical significance of trends
//!   and trend differences in layer-average atmospheric temperature time series", Journal of
//!   Geophysical Research 105 (2000) 7337–7356, equations 3 to 6).

/// Fewer points than this are no base for an interval.
pub const FEWEST: usize = 6;

/// A slope with its 95 % confidence interval, per unit of the abscissa.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slope {
    pub value: f64,
    pub low: f64,
    pub high: f64,
    /// Mean of the ordinates.
    pub mean: f64,
    /// Autocorrelation of lag one of the residuals.
    pub autocorrelation: f64,
    /// How many independent points the points are worth.
    pub effective: f64,
}

impl Slope {
    /// Ordinary least squares; nothing where there are too few points.
    pub fn of(points: &[(f64, f64)]) -> Option<Self> {
        if points.len() < FEWEST {
            return None;
        }
        #[allow(clippy::cast_precision_loss, reason = "a few dozen")]
        let n = points.len() as f64;
        let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / n;
        let (x0, y0) = (mean(|p| p.0), mean(|p| p.1));
        let spread: f64 = points.iter().map(|(x, _)| (x - x0).powi(2)).sum();
        if spread <= 0.0 {
            return None;
        }
        let value = points.iter().map(|(x, y)| (x - x0) * (y - y0)).sum::<f64>() / spread;
        let rest: Vec<f64> = points.iter().map(|(x, y)| y - y0 - value * (x - x0)).collect();
        let square: f64 = rest.iter().map(|e| e * e).sum();
        let neighbours: f64 = rest.windows(2).map(|pair| pair[0] * pair[1]).sum();
        let autocorrelation = if square > 0.0 { neighbours / square } else { 0.0 };
        let r = autocorrelation.max(0.0);
        let effective = n * (1.0 - r) / (1.0 + r);
        let freedom = effective - 2.0;
        let margin = if freedom > 0.0 { quantile(freedom) * (square / freedom / spread).sqrt() } else { f64::INFINITY };
        Some(Self { value, low: value - margin, high: value + margin, mean: y0, autocorrelation, effective })
    }
}

/// The 97.5 % quantile of Student's t distribution: the expansion of Abramowitz and Stegun,
/// "Handbook of Mathematical Functions", 26.7.5; below three degrees that of one degree, which
/// is too large rather than too small.
fn quantile(freedom: f64) -> f64 {
    const X: f64 = 1.959_963_984_540_054;
    if freedom < 3.0 {
        return 12.706_204_736;
    }
    let terms = [
        X.powi(3) + X,
        5.0 * X.powi(5) + 16.0 * X.powi(3) + 3.0 * X,
        3.0 * X.powi(7) + 19.0 * X.powi(5) + 17.0 * X.powi(3) - 15.0 * X,
        79.0 * X.powi(9) + 776.0 * X.powi(7) + 1482.0 * X.powi(5) - 1920.0 * X.powi(3) - 945.0 * X,
    ];
    let divisors = [4.0, 96.0, 384.0, 92_160.0];
    let mut power = 1.0;
    terms.iter().zip(divisors).fold(X, |sum, (term, divisor)| {
        power *= freedom;
        sum + term / divisor / power
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    /// Sums of uniform numbers, near enough to normal ones.
    fn noise(rng: &mut StdRng) -> f64 {
        (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0
    }

    /// A line of 15 points with noise of which each keeps a part of the one before.
    fn line(rng: &mut StdRng, slope: f64, kept: f64) -> Vec<(f64, f64)> {
        let mut before = 0.0;
        (0..15)
            .map(|i| {
                before = kept * before + noise(rng);
                (f64::from(i), slope.mul_add(f64::from(i), before))
            })
            .collect()
    }

    #[test]
    fn quantiles_are_those_of_the_tables() {
        for (freedom, table) in [(3.0, 3.182), (5.0, 2.571), (13.0, 2.160), (30.0, 2.042), (1e9, 1.960)] {
            assert!((quantile(freedom) - table).abs() < 0.004, "{freedom}: {}", quantile(freedom));
        }
        assert!(quantile(1.0) > 12.0);
    }

    #[test]
    fn a_straight_line_is_found_exactly() {
        let points: Vec<(f64, f64)> = (0..10).map(|i| (f64::from(i), 3.0 + 0.5 * f64::from(i))).collect();
        let slope = Slope::of(&points).unwrap();
        assert!((slope.value - 0.5).abs() < 1e-9 && (slope.high - slope.low).abs() < 1e-6, "{slope:?}");
        assert_eq!(Slope::of(&points[..FEWEST - 1]), None);
    }

    #[test]
    fn the_interval_holds_the_truth_about_as_often_as_it_says() {
        let mut rng = StdRng::seed_from_u64(7);
        for (kept, least) in [(0.0, 0.93), (0.4, 0.85)] {
            let hit = |rng: &mut StdRng| {
                let slope = Slope::of(&line(rng, 0.25, kept)).unwrap();
                (slope.low..=slope.high).contains(&0.25)
            };
            let hits = (0..2_000).filter(|_| hit(&mut rng)).count();
            #[allow(clippy::cast_precision_loss)]
            let share = hits as f64 / 2_000.0;
            assert!(share >= least, "{share} of intervals hold the truth where {kept} is kept");
        }
    }

    #[test]
    fn growth_beyond_the_noise_is_noticed() {
        let mut rng = StdRng::seed_from_u64(8);
        let noticed = |slope: f64, rng: &mut StdRng| {
            (0..200).filter(|_| Slope::of(&line(rng, slope, 0.0)).unwrap().low > 0.0).count()
        };
        assert!(noticed(0.5, &mut rng) > 195);
        assert!(noticed(0.0, &mut rng) < 15);
    }
}
