//! The residuals of a fit, and their correlation.

use super::{Blocks, real};

/// Highest autocorrelation that is estimated; more leaves hardly any independent points.
const MOST_AUTOCORRELATION: f64 = 0.95;

/// The residuals of a fit, centred.
#[derive(Debug, Clone)]
pub(super) struct Residuals {
    pub(super) values: Vec<f64>,
    /// Autocorrelation at lag one, corrected for its bias in short series; at least 0.
    pub(super) autocorrelation: f64,
}

impl Residuals {
    pub(super) fn new(mut values: Vec<f64>) -> Self {
        let n = real(values.len());
        let mean = values.iter().sum::<f64>() / n;
        values.iter_mut().for_each(|value| *value -= mean);
        let square: f64 = values.iter().map(|e| e * e).sum();
        let neighbours: f64 = values.windows(2).map(|pair| pair[0] * pair[1]).sum();
        let raw = if square > 0.0 { neighbours / square } else { 0.0 };
        // With a fitted line the estimate is too small by about (2 + 4 r)/n (F. H. C. Marriott and
        // J. A. Pope, "Bias in the estimation of autocorrelations", Biometrika 41 (1954) 390–402).
        let autocorrelation = ((raw + 2.0 / n) / (1.0 - 4.0 / n).max(0.2)).clamp(0.0, MOST_AUTOCORRELATION);
        Self { values, autocorrelation }
    }

    /// The equivalent number of independent points: n(1−r)/(1+r) (B. D. Santer et al., Journal of
    /// Geophysical Research 105 (2000) 7337–7356, equation 6).
    pub(super) fn effective(&self) -> f64 {
        let r = self.autocorrelation;
        real(self.values.len()) * (1.0 - r) / (1.0 + r)
    }

    /// Degrees of freedom of a bootstrap estimate with these blocks: limited by the number of blocks and by the
    /// effective number of points; the fit takes 2.
    pub(super) fn freedom(&self, blocks: &Blocks) -> f64 {
        (real(self.values.len()) / real(blocks.length())).min(self.effective()) - 2.0
    }

    /// Factor by which a bootstrap standard error is too small: it lacks the correlation beyond a block (as in an
    /// autoregression of order one), and the degrees of freedom of the fit.
    pub(super) fn inflation(&self, blocks: &Blocks) -> f64 {
        let (r, length) = (self.autocorrelation, blocks.length());
        let whole = (1.0 + r) / (1.0 - r);
        let within = 1.0
            + 2.0
                * (1..length)
                    .map(|lag| (1.0 - real(lag) / real(length)) * r.powi(i32::try_from(lag).unwrap_or(i32::MAX)))
                    .sum::<f64>();
        let (n, count) = (real(self.values.len()), real(blocks.count().max(4)));
        (whole / within).max(1.0).sqrt() * (count / (count - 2.0)).sqrt() * (n / (n - 2.0)).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::super::made_series::Made;
    use super::*;

    #[test]
    fn the_autocorrelation_of_made_series_is_found() {
        for kept in [0.0, 0.5, 0.8] {
            let mut found = 0.0;
            for seed in 0..50 {
                let series = Made { points: 400, kept, ..Made::flat(seed) }.series();
                found += Residuals::new(series.iter().map(|point| point.value).collect()).autocorrelation / 50.0;
            }
            assert!((found - kept).abs() < 0.04, "{found} for {kept}");
        }
    }

    #[test]
    fn a_constant_series_is_not_correlated_beyond_the_correction() {
        let flat = Residuals::new(vec![3.0; 100]);
        assert!(flat.autocorrelation < 0.03 && flat.effective() > 95.0, "{flat:?}");
    }
}
