//! Timelines for tests: whole runs with known times to delivery, losses, drift and noise.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::{GeneratorSlice, Slice, Timeline, TimelineEvent, UserSeconds, Watched};
use crate::report::summary::Deliveries;
use crate::stats::Sketch;
use crate::stats::made_series::normal;

/// A run of 200 users in which every figure varies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Made {
    pub(crate) seed: u64,
    pub(crate) slices: u32,
    pub(crate) slice_seconds: u64,
    /// Factor on all times to delivery.
    pub(crate) times: f64,
    /// Factor on those beyond the 95th percentile.
    pub(crate) tail: f64,
    /// Factor on all losses and late deliveries.
    pub(crate) losses: f64,
    /// Growth per hour of the times to delivery and the watched memory, as a fraction of the start.
    pub(crate) drift: f64,
    /// Factor on the memory from the middle on.
    pub(crate) step: f64,
}

/// Start of the first slice: 2026-11-27T00:00:00Z.
pub(crate) const BEGIN: u64 = 1_795_737_600;

impl Made {
    /// Two hours in which nothing changes.
    pub(crate) fn flat(seed: u64) -> Self {
        Self { seed, slices: 120, slice_seconds: 60, times: 1.0, tail: 1.0, losses: 1.0, drift: 0.0, step: 1.0 }
    }

    pub(crate) fn timeline(self) -> Timeline {
        let mut rng = StdRng::seed_from_u64(self.seed);
        let mut wander = [0.0; 3];
        let slices = (0..self.slices).map(|i| self.slice(i, &mut rng, &mut wander)).collect();
        Timeline { slice_seconds: self.slice_seconds, slices, ..Timeline::default() }
    }

    fn slice(&self, i: u32, rng: &mut StdRng, wander: &mut [f64; 3]) -> Slice {
        for level in wander.iter_mut() {
            *level = 0.5 * *level + 0.02 * normal(rng);
        }
        let seconds = self.slice_seconds as f64;
        let grown = 1.0 + self.drift * f64::from(i) * seconds / 3_600.0;
        let expected = counted(20_000.0 * (1.0 + wander[1]), rng);
        let burst = if rng.random::<f64>() < 0.2 { 5.0 } else { 1.0 };
        let lost = counted(4.0 * self.losses * burst, rng).min(expected);
        let late = counted(20.0 * self.losses * burst, rng).min(expected - lost);
        let on_time = expected - lost - late;
        let deliveries = Deliveries { expected, on_time, late, lost, ..Deliveries::default() };
        let memory = 5e8 * grown * if i >= self.slices / 2 { self.step } else { 1.0 } * (1.0 + 0.5 * wander[2]);
        let held = 199.0 + rng.random::<f64>();
        Slice {
            start: BEGIN + u64::from(i) * self.slice_seconds,
            hold_seconds: seconds,
            users: UserSeconds { target: 200.0 * seconds, connected: (held - 9.0) * seconds, away: 9.0 * seconds },
            sent: counted(100.0, rng),
            received: on_time + late,
            times: times(0.02 * self.times * grown * wander[0].exp(), self.tail, expected, rng).into(),
            deliveries,
            operations: BTreeMap::from([("connect".to_owned(), counted(40.0, rng) + 20)]),
            errors: BTreeMap::from([(
                "connect".to_owned(),
                BTreeMap::from([("timeout".to_owned(), counted(1.0, rng))]),
            )]),
            joined: 20,
            disconnects: BTreeMap::from([(
                "server".to_owned(),
                BTreeMap::from([("closed".to_owned(), counted(2.0, rng))]),
            )]),
            generator: GeneratorSlice {
                cpu_seconds: 6.0 * (1.0 + wander[1]),
                memory_bytes: 80_000_000 + counted(1e4, rng),
            },
            watched: BTreeMap::from([("memory".to_owned(), Watched { sum: 4.0 * memory, samples: 4 })]),
            ..Slice::default()
        }
    }
}

/// A random count with this mean.
fn counted(mean: f64, rng: &mut StdRng) -> u64 {
    (mean + mean.sqrt() * normal(rng)).round().max(0.0) as u64
}

/// `n` times to delivery around a median, with a spread of 40 %, as counts of buckets.
fn times(median: f64, tail: f64, n: u64, rng: &mut StdRng) -> Sketch {
    let mut sketch = Sketch::default();
    let step = 0.04;
    for i in -35..=35_i32 {
        // Logistic: close enough to normal, with tails in closed form.
        let below = |edge: f64| 1.0 / (1.0 + (-1.702 * edge / 0.4).exp());
        let log = f64::from(i) * step;
        let part = below(log + step / 2.0) - below(log - step / 2.0);
        let stretch = if log > 0.69 { tail } else { 1.0 };
        sketch.add(median * stretch * log.exp(), counted(n as f64 * part, rng));
    }
    sketch
}

/// An event of a kind, `slices` slices after the start.
pub(crate) fn event(kind: &str, slices: f64) -> TimelineEvent {
    TimelineEvent { at: BEGIN as f64 + slices * 60.0, kind: kind.to_owned(), text: String::new(), shard: None }
}
