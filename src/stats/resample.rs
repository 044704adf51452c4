//! The moving-block bootstrap: resamples a series in blocks.
//!
//! H. R. Künsch, "The jackknife and the bootstrap for general stationary observations", Annals of
//! Statistics 17 (1989) 1217–1241. Blocks keep the correlation of neighbours, which resampling single points would
//! lose.

use std::ops::Range;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Fewest blocks of a bootstrap; a short series gets shorter blocks instead.
const FEWEST_BLOCKS: usize = 12;
/// Number of resamples: enough for a standard error (B. Efron and R. Tibshirani, "An
/// Introduction to the Bootstrap", 1993, chapter 6.4: 50 to 200).
pub(super) const REPLICATES: usize = 100;
/// An arbitrary fixed seed, so that the same series always gives the same result.
const SEED: u64 = 0x5eed_0fb1_0c45;

/// The division of a series of a certain length into blocks.
#[derive(Debug)]
pub struct Blocks {
    points: usize,
    length: usize,
    rng: StdRng,
}

impl Blocks {
    /// Blocks of `length` points, or of fewer, so that there are at least twelve.
    #[must_use]
    pub fn new(points: usize, length: usize) -> Self {
        let length = length.min(points / FEWEST_BLOCKS).max(1);
        Self { points, length, rng: StdRng::seed_from_u64(SEED) }
    }

    /// Points in a block.
    #[must_use]
    pub fn length(&self) -> usize {
        self.length
    }

    /// The number of blocks in a resample; the last may be cut short.
    #[must_use]
    pub fn count(&self) -> usize {
        self.points.div_ceil(self.length)
    }

    /// The blocks of the next resample, which has as many points as the series.
    pub fn draw(&mut self) -> impl Iterator<Item = Range<usize>> {
        let Self { points, length, rng } = self;
        let (points, length) = (*points, *length);
        (0..points).step_by(length).map(move |drawn| {
            let start = rng.random_range(0..=points - length);
            start..start + length.min(points - drawn)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resample_has_as_many_points_as_the_series_in_runs_of_neighbours() {
        let mut blocks = Blocks::new(240, 10);
        let positions: Vec<usize> = blocks.draw().flatten().collect();
        assert_eq!(positions.len(), 240);
        assert!(positions.chunks(10).all(|block| block.windows(2).all(|pair| pair[1] == pair[0] + 1)));
        assert!(positions.iter().all(|&i| i < 240));
    }

    #[test]
    fn a_short_series_has_twelve_shorter_blocks() {
        assert_eq!((Blocks::new(60, 10).length(), Blocks::new(60, 10).count()), (5, 12));
        assert_eq!((Blocks::new(7, 10).length(), Blocks::new(7, 10).count()), (1, 7));
    }

    #[test]
    fn the_same_series_is_drawn_alike_every_time() {
        let draw = || {
            let mut blocks = Blocks::new(50, 4);
            blocks.draw().for_each(drop);
            blocks.draw().collect::<Vec<_>>()
        };
        assert_eq!(draw(), draw());
    }
}
