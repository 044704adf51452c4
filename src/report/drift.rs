//! Finds the figures of a run that change with time, for the summary.
//!
//! Examines the longest stretch of whole slices within the hold without a restart or a control event.
//! The statistics are in [`crate::stats`]; this module knows neither files nor clocks.

use std::collections::BTreeSet;

use crate::report::changes::{ChangeKind, Changes, FigureChange, FigureUnit, Interval, LevelStep};
use crate::report::planned::{set_aside, touches};
use crate::report::summary::Summary;
use crate::report::thresholds::is_not_the_servers;
use crate::report::timeline::{SLICE_SECONDS, Slice, Timeline};
use crate::stats::{self, Change, Drift, Point};

/// Kinds of events after which figures may differ.
const BREAKS: [&str; 2] = ["restart", "control"];
/// Neighbouring slices within this many seconds count as correlated.
const BLOCK_SECONDS: u64 = 600;
/// A slice counts as whole if this fraction of it lies within the hold, since clocks are read a little late.
const WHOLE: f64 = 0.98;
/// Initiators whose ends of connections count as cut.
const CUT_BY: [&str; 2] = ["server", "network"];

/// A figure that each slice has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Figure {
    /// The median time to delivery: local messages, from the intended time.
    P50,
    /// The 90th percentile.
    P90,
    /// The 99th percentile.
    P99,
    /// Late deliveries, as a fraction of those expected.
    Late,
    /// Lost deliveries, as a fraction of those expected.
    Lost,
    /// Failed operations of all stages, as a fraction of those attempted.
    ErrorRate,
    /// Connections that the server or the network ended, per hour and connected user.
    Cut,
    /// Messages handed over per second.
    Rate,
    /// Users connected or away, as a fraction of the target.
    UsersHeld,
    /// The generator's resident memory.
    GeneratorMemory,
    /// A series of the server's own metrics, by its name.
    Watched(String),
}

impl Figure {
    /// Those that every timeline has, in the order of the report.
    const BUILT_IN: [Self; 10] = [
        Self::P50,
        Self::P90,
        Self::P99,
        Self::Late,
        Self::Lost,
        Self::ErrorRate,
        Self::Cut,
        Self::Rate,
        Self::UsersHeld,
        Self::GeneratorMemory,
    ];

    /// The figure with a name: a built-in one, else the watched series of that name.
    #[must_use]
    pub fn named(name: &str) -> Self {
        let built_in = Self::BUILT_IN.into_iter().find(|figure| figure.name() == name);
        built_in.unwrap_or_else(|| Self::Watched(name.to_owned()))
    }

    /// Its name in summaries and thresholds.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::P50 => "p50",
            Self::P90 => "p90",
            Self::P99 => "p99",
            Self::Late => "late",
            Self::Lost => "lost",
            Self::ErrorRate => "error_rate",
            Self::Cut => "cut",
            Self::Rate => "rate",
            Self::UsersHeld => "users_held",
            Self::GeneratorMemory => "generator_memory",
            Self::Watched(name) => name,
        }
    }

    /// The unit of its numbers.
    #[must_use]
    pub fn unit(&self) -> FigureUnit {
        match self {
            Self::P50 | Self::P90 | Self::P99 => FigureUnit::Seconds,
            Self::Late | Self::Lost | Self::ErrorRate | Self::UsersHeld => FigureUnit::Share,
            Self::Cut => FigureUnit::PerUserHour,
            Self::Rate => FigureUnit::PerSecond,
            Self::GeneratorMemory => FigureUnit::Bytes,
            Self::Watched(_) => FigureUnit::Other,
        }
    }

    /// Its value in a slice; `None` if the slice has no data for it.
    #[must_use]
    pub fn value(&self, slice: &Slice) -> Option<f64> {
        let quantile = |q| slice.times.sketch().interpolated(q);
        let value = match self {
            Self::P50 => quantile(0.5)?,
            Self::P90 => quantile(0.9)?,
            Self::P99 => quantile(0.99)?,
            Self::Late => part(slice.deliveries.late, slice.remote.deliveries.late, slice)?,
            Self::Lost => part(slice.deliveries.lost, slice.remote.deliveries.lost, slice)?,
            Self::ErrorRate => ratio(real(errors(slice)), real(operations(slice)))?,
            Self::Cut => ratio(real(cut(slice)), slice.users.connected / 3_600.0)?,
            Self::Rate => ratio(real(slice.sent), slice.hold_seconds)?,
            Self::UsersHeld => ratio(slice.users.connected + slice.users.away, slice.users.target)?,
            Self::GeneratorMemory => Some(slice.generator.memory_bytes).filter(|n| *n > 0).map(real)?,
            Self::Watched(name) => {
                let watched = slice.watched.get(name)?;
                ratio(watched.sum, real(watched.samples))?
            }
        };
        value.is_finite().then_some(value)
    }
}

fn part(local: u64, remote: u64, slice: &Slice) -> Option<f64> {
    let expected = slice.deliveries.expected.saturating_add(slice.remote.deliveries.expected);
    ratio(real(local.saturating_add(remote)), real(expected))
}

fn ratio(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}

/// Failures that count in an error rate, of the stages with operations in the slice.
fn errors(slice: &Slice) -> u64 {
    let stages = slice.errors.iter().filter(|(stage, _)| slice.operations.contains_key(*stage));
    let kinds = stages.flat_map(|(_, kinds)| kinds).filter(|(kind, _)| !is_not_the_servers(kind));
    kinds.fold(0, |sum, (_, n)| sum.saturating_add(*n))
}

fn operations(slice: &Slice) -> u64 {
    slice.operations.values().fold(0, |sum, n| sum.saturating_add(*n))
}

/// Connections that the server or the network ended.
pub(super) fn cut(slice: &Slice) -> u64 {
    let ends = CUT_BY.iter().filter_map(|by| slice.disconnects.get(*by)).flat_map(|reasons| reasons.values());
    ends.fold(0, |sum, n| sum.saturating_add(*n))
}

#[allow(clippy::cast_precision_loss, reason = "counts and sizes below 2^52")]
pub(super) fn real(n: u64) -> f64 {
    n as f64
}

/// Number of neighbouring slices of this length that count as correlated: ten minutes' worth. Slices under a
/// minute, which only tests have, count as if they were a minute long.
#[must_use]
pub fn block(slice_seconds: u64) -> usize {
    usize::try_from(BLOCK_SECONDS.div_ceil(slice_seconds.max(SLICE_SECONDS))).unwrap_or(1)
}

/// Whether all of a slice of this length lies within the hold.
#[must_use]
pub fn is_held(slice: &Slice, length: u64) -> bool {
    slice.hold_seconds >= WHOLE * real(length)
}

/// The longest stretch of neighbouring whole slices within the hold, without a restart or a control event, and
/// outside of these spans of planned disruption in seconds since 1970; the first of several.
#[must_use]
pub fn longest_stretch<'a>(timeline: &'a Timeline, aside: &[(f64, f64)]) -> &'a [Slice] {
    let length = timeline.slice_seconds.max(1);
    let event = |at: f64| at.is_finite() && at >= 0.0;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative; saturates")]
    let broken: BTreeSet<u64> = (timeline.events.iter())
        .filter(|happened| BREAKS.contains(&happened.kind.as_str()) && event(happened.at))
        .map(|happened| happened.at as u64 / length)
        .collect();
    let planned = |slice: &Slice| touches(aside, real(slice.start), real(slice.start.saturating_add(length)));
    let whole = |slice: &Slice| is_held(slice, length) && !broken.contains(&(slice.start / length)) && !planned(slice);
    let next = |a: &Slice, b: &Slice| whole(a) && whole(b) && a.start.saturating_add(length) == b.start;
    let stretches = timeline.slices.chunk_by(next).filter(|stretch| stretch.first().is_some_and(whole));
    stretches.fold(&[], |longest, stretch| if stretch.len() > longest.len() { stretch } else { longest })
}

/// Rate of change of a figure, as a fraction per hour of its fit at the start of the stretch: value and bounds
/// of the 95 % interval. The bounds are infinite if there are too few independent slices. `None` if the stretch
/// has fewer than 30 slices or the figure starts at 0.
#[must_use]
pub fn of(stretch: &[Slice], slice_seconds: u64, figure: &Figure) -> Option<[f64; 3]> {
    Drift::of(&series(stretch, figure), block(slice_seconds))?.relative_per_hour()
}

/// The figure over a stretch, in hours from its start.
fn series(stretch: &[Slice], figure: &Figure) -> Vec<Point> {
    let Some(first) = stretch.first() else { return Vec::new() };
    let hours = |slice: &Slice| real(slice.start.saturating_sub(first.start)) / 3_600.0;
    let point = |slice: &Slice| Some(Point { hours: hours(slice), value: figure.value(slice)? });
    stretch.iter().filter_map(point).collect()
}

/// The changes in a summary's timeline; `None` if its longest stretch has fewer than 30 slices.
#[must_use]
pub fn of_summary(summary: &Summary) -> Option<Changes> {
    changes(summary.timeline.as_ref()?, &set_aside(summary))
}

/// The same of a timeline; no slice is looked at that touches one of these spans of planned disruption.
#[must_use]
pub fn changes(timeline: &Timeline, aside: &[(f64, f64)]) -> Option<Changes> {
    let stretch = longest_stretch(timeline, aside);
    let (first, last) = (stretch.first()?, stretch.last()?);
    let watched: BTreeSet<&String> = stretch.iter().flat_map(|slice| slice.watched.keys()).collect();
    // The 90th percentile adds little to its neighbours.
    let built_in = Figure::BUILT_IN.into_iter().filter(|figure| *figure != Figure::P90);
    let figures = built_in.chain(watched.into_iter().cloned().map(Figure::Watched));
    let block = block(timeline.slice_seconds);
    let found: Vec<(Figure, Drift)> = figures
        .filter_map(|figure| {
            let points = series(stretch, &figure);
            let moves = points.windows(2).any(|pair| pair.first().map(|p| p.value) != pair.last().map(|p| p.value));
            let drift = Drift::of(&points, block).filter(|_| moves)?;
            Some((figure, drift))
        })
        .collect();
    if stretch.len() < stats::FEWEST_POINTS {
        return None;
    }
    let adjusted = stats::adjusted(&found.iter().map(|(_, drift)| drift.p()).collect::<Vec<_>>());
    let told = |((figure, drift), p): ((Figure, Drift), f64)| told(&figure, &drift, p, first.start);
    Some(Changes {
        from: first.start,
        to: last.start.saturating_add(timeline.slice_seconds),
        slices: u64::try_from(stretch.len()).unwrap_or(u64::MAX),
        figures: found.into_iter().zip(adjusted).filter_map(told).collect(),
    })
}

fn told(figure: &Figure, drift: &Drift, p: f64, from: u64) -> Option<FigureChange> {
    let slope = drift.slope;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the beginning of a slice")]
    let at = |hours: f64| from.saturating_add((hours * 3_600.0).round() as u64);
    let step = drift.step.filter(|step| step.before.is_finite() && step.after.is_finite());
    Some(FigureChange {
        name: figure.name().to_owned(),
        unit: figure.unit(),
        start: Some(slope.start).filter(|start| start.is_finite())?,
        per_hour: Interval::of([slope.per_hour, slope.low, slope.high])?,
        relative_per_hour: drift.relative_per_hour().and_then(Interval::of),
        step: step.map(|step| LevelStep { at: at(step.hours), before: step.before, after: step.after }),
        p,
        change: match drift.change(p) {
            Change::None => ChangeKind::None,
            Change::Slope(_) => ChangeKind::Slope,
            Change::Step(_) => ChangeKind::Step,
        },
    })
}

#[cfg(test)]
mod tests;
