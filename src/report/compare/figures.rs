//! The figures of two runs' slices, each with its change and its interval.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::comparison::CompareError;
use crate::model::{Measure, Tolerances};
use crate::report::changes::{Changes, FigureChange, FigureUnit, Interval};
use crate::report::drift::{self, cut, real};
use crate::report::summary::Summary;
use crate::report::thresholds::is_not_the_servers;
use crate::report::timeline::{Slice, Timeline};
use crate::stats::{self, Difference, Independent, Quantiles, Share, Sketch};

/// A figure of both runs, before the correction for multiple figures.
pub(super) struct Candidate {
    pub(super) name: String,
    pub(super) unit: FigureUnit,
    pub(super) before: f64,
    pub(super) after: f64,
    /// Value, low, high: as [`Measure`] says.
    pub(super) change: [f64; 3],
    pub(super) p: f64,
}

/// The compared part of one run.
pub(super) struct Side<'a> {
    /// Whole slices within the hold, in order of time.
    pub(super) slices: Vec<&'a Slice>,
    slice_seconds: u64,
    /// Messages that a user missed; `None` if there are no groups of losses.
    unlucky: Option<u64>,
    changes: Option<Cow<'a, Changes>>,
}

impl<'a> Side<'a> {
    pub(super) fn of(file: &str, summary: &'a Summary) -> Result<Self, CompareError> {
        let timeline: &Timeline = summary.timeline.as_ref().ok_or_else(|| CompareError::NoTimeline(file.to_owned()))?;
        let slice_seconds = timeline.slice_seconds.max(1);
        let slices: Vec<&Slice> = timeline.slices.iter().filter(|slice| drift::is_held(slice, slice_seconds)).collect();
        if slices.is_empty() {
            return Err(CompareError::NoHold(file.to_owned()));
        }
        let groups = &summary.loss_groups;
        let messages = |sum: u64, n: u64| sum.saturating_add(n);
        let unlucky = groups.largest.iter().map(|group| group.messages).fold(groups.rest.messages, messages);
        // Compute the drift of a checkpoint, or of a file without one.
        let changes = summary.drift.as_ref().map(Cow::Borrowed);
        let changes = changes.or_else(|| drift::of_summary(summary).map(Cow::Owned));
        Ok(Self { slices, slice_seconds, unlucky: (!groups.is_empty()).then_some(unlucky), changes })
    }

    pub(super) fn seconds(&self) -> f64 {
        self.slices.iter().map(|slice| slice.hold_seconds).sum()
    }

    fn shares(&self, of: impl Fn(&Slice) -> Share) -> Vec<Share> {
        self.slices.iter().map(|slice| of(slice)).collect()
    }

    fn ratios(&self, of: impl Fn(&Slice) -> [f64; 2]) -> Vec<[f64; 2]> {
        self.slices.iter().map(|slice| of(slice)).filter(|pair| pair.iter().all(|n| n.is_finite())).collect()
    }

    fn sketches(&self) -> Vec<Sketch> {
        self.slices.iter().map(|slice| slice.times.sketch().clone()).collect()
    }

    fn change(&self, name: &str) -> Option<&FigureChange> {
        self.changes.as_ref()?.figures.iter().find(|figure| figure.name == name)
    }

    /// The stages with operations or errors in the slices.
    fn stages(&self) -> impl Iterator<Item = &str> {
        self.slices.iter().flat_map(|slice| slice.operations.keys().chain(slice.errors.keys())).map(String::as_str)
    }
}

/// All figures that both sides have, in the order of the table.
pub(super) fn candidates(sides: &[Side<'_>; 2]) -> Vec<Candidate> {
    let [before, after] = sides;
    // Ten minutes of the shorter slices: too long a block costs a little power, too short a one is wrong.
    let block = drift::block(before.slice_seconds.min(after.slice_seconds));
    let table = Table { sides, block };
    let delivered = |slice: &Slice| slice.all_deliveries();
    let expected = move |slice: &Slice| delivered(slice).expected;
    let mut found = vec![
        table.share("lost", FigureUnit::Share, |slice| Share { part: delivered(slice).lost, of: expected(slice) }),
        table.share("late", FigureUnit::Share, |slice| Share { part: delivered(slice).late, of: expected(slice) }),
        table.share("anomalies", FigureUnit::Share, |slice| Share { part: anomalies(slice), of: expected(slice) }),
        table.share("cut", FigureUnit::PerUserHour, |slice| Share { part: cut(slice), of: user_seconds(slice) }),
    ];
    let stages: BTreeSet<&str> = before.stages().chain(after.stages()).collect();
    found.extend(
        stages
            .into_iter()
            .map(|stage| table.share(&format!("error_rate({stage})"), FigureUnit::Share, |slice| errors(slice, stage))),
    );
    found.extend([
        table.ratio("rate", FigureUnit::PerSecond, |slice| [real(slice.sent), slice.hold_seconds]),
        table.ratio("deliveries", FigureUnit::PerSecond, |slice| [real(expected(slice)), slice.hold_seconds]),
    ]);
    found.extend(table.quantiles());
    found.push(table.ratio("users_held", FigureUnit::Share, |slice| {
        [slice.users.connected + slice.users.away, slice.users.target]
    }));
    found.extend(table.drifts());
    found.push(table.ratio("generator_cpu", FigureUnit::Seconds, |slice| {
        let deliveries = delivered(slice);
        [slice.generator.cpu_seconds, real(deliveries.on_time.saturating_add(deliveries.late))]
    }));
    let watched: BTreeSet<&String> = before.slices.iter().flat_map(|slice| slice.watched.keys()).collect();
    found.extend(watched.into_iter().map(|name| {
        let of = |slice: &Slice| slice.watched.get(name).map_or([0.0, 0.0], |seen| [seen.sum, real(seen.samples)]);
        table.ratio(&format!("watched({name})"), FigureUnit::Other, of)
    }));
    found.into_iter().flatten().collect()
}

fn anomalies(slice: &Slice) -> u64 {
    let all = [slice.anomalies, slice.remote.anomalies];
    let kinds = all.iter().flat_map(|kinds| [kinds.duplicate, kinds.reordered, kinds.unexpected, kinds.corrupt]);
    kinds.fold(0, u64::saturating_add)
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
fn user_seconds(slice: &Slice) -> u64 {
    slice.users.connected.round() as u64
}

/// Errors of a stage that are not the generator's own, as a fraction of its operations.
fn errors(slice: &Slice, stage: &str) -> Share {
    let operations = if stage == "receive" { Some(&slice.received) } else { slice.operations.get(stage) };
    let kinds = slice.errors.get(stage).into_iter().flatten().filter(|(kind, _)| !is_not_the_servers(kind));
    let part = kinds.map(|(_, n)| *n).fold(0, u64::saturating_add);
    Share { part, of: operations.copied().unwrap_or(0).max(part) }
}

struct Table<'a, 'b> {
    sides: &'a [Side<'b>; 2],
    block: usize,
}

impl Table<'_, '_> {
    fn share(&self, name: &str, unit: FigureUnit, of: impl Fn(&Slice) -> Share) -> Option<Candidate> {
        let [before, after] = self.sides.each_ref().map(|side| side.shares(&of));
        let [one, other] = self.sides;
        // Both sides in the same unit.
        let messages = if name == "lost" && (one.unlucky.is_some() || other.unlucky.is_some()) {
            [by_message(one, &before), by_message(other, &after)]
        } else {
            [by_slice(&before), by_slice(&after)]
        };
        candidate(name, unit, &stats::shares(&before, &after, messages, self.block)?)
    }

    fn ratio(&self, name: &str, unit: FigureUnit, of: impl Fn(&Slice) -> [f64; 2]) -> Option<Candidate> {
        let [before, after] = self.sides.each_ref().map(|side| side.ratios(&of));
        candidate(name, unit, &stats::ratios(&before, &after, self.block)?)
    }

    fn quantiles(&self) -> Vec<Option<Candidate>> {
        let [before, after] = self.sides.each_ref().map(|side| Quantiles::of(&side.sketches(), self.block));
        let quantile = |(name, q): (&str, f64)| candidate(name, FigureUnit::Seconds, &before.difference(&after, q)?);
        [("p50", 0.5), ("p90", 0.9), ("p99", 0.99)].map(quantile).into()
    }

    /// Degrees of freedom of the slopes: those of the side with fewer blocks.
    fn freedom(&self) -> f64 {
        let slices = |side: &Side<'_>| side.changes.as_ref().map_or(0, |changes| changes.slices);
        let fewest = self.sides.each_ref().map(slices).into_iter().min().unwrap_or(0);
        let blocks = stats::Blocks::new(usize::try_from(fewest).unwrap_or(usize::MAX), self.block).count();
        real(u64::try_from(blocks).unwrap_or(u64::MAX)) - 2.0
    }

    /// The drift of the 99th percentile and of the series that both runs watched.
    fn drifts(&self) -> Vec<Option<Candidate>> {
        let [before, after] = self.sides;
        let watched = before.slices.iter().flat_map(|slice| slice.watched.keys()).collect::<BTreeSet<_>>();
        let names = std::iter::once("p99").chain(watched.into_iter().map(String::as_str));
        names.map(|name| drifts(name, before.change(name)?, after.change(name)?, self.freedom())).collect()
    }
}

/// Messages that a user missed, out of those sent; at most as many as missed deliveries.
fn by_message(side: &Side<'_>, shares: &[Share]) -> Independent {
    let lost = shares.iter().map(|share| share.part).fold(0, u64::saturating_add);
    let sent = side.slices.iter().map(|slice| slice.sent).fold(0, u64::saturating_add);
    let events = side.unlucky.unwrap_or(0).max(u64::from(lost > 0)).min(lost);
    Independent { events, trials: sent.max(events) }
}

/// Slices in which the event happened: events that happen together, as in a restart, count once.
fn by_slice(shares: &[Share]) -> Independent {
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    Independent { events: count(shares.iter().filter(|share| share.part > 0).count()), trials: count(shares.len()) }
}

fn candidate(name: &str, unit: FigureUnit, found: &Difference) -> Option<Candidate> {
    let Difference { before, after, ratio, p } = *found;
    let points = |ratio: f64| if before > 0.0 { before * (ratio - 1.0) } else { after * (1.0 - 1.0 / ratio) };
    let change = match Tolerances::default().of(name).measure {
        Measure::Relative => ratio.map(|ratio| ratio - 1.0),
        Measure::Points => ratio.map(points),
    };
    // Counted per user-second, shown per user-hour.
    let scale = if unit == FigureUnit::PerUserHour { 3_600.0 } else { 1.0 };
    let is_number = before.is_finite() && after.is_finite() && !p.is_nan();
    is_number.then(|| Candidate {
        name: name.to_owned(),
        unit,
        before: before * scale,
        after: after * scale,
        change,
        p,
    })
}

/// The difference of two slopes with independent errors; its interval follows from both intervals.
fn drifts(name: &str, before: &FigureChange, after: &FigureChange, freedom: f64) -> Option<Candidate> {
    let (one, other) = (before.relative_per_hour?, after.relative_per_hour?);
    let margin = |interval: Interval| Some((interval.high? - interval.low?) / 2.0);
    let margin = margin(one)?.hypot(margin(other)?);
    let change = other.value - one.value;
    Some(Candidate {
        name: format!("drift({name})"),
        unit: FigureUnit::SharePerHour,
        before: one.value,
        after: other.value,
        change: [change, change - margin, change + margin],
        p: stats::two_sided_p(change, margin, freedom),
    })
}
