//! Merges the summaries of several generators: exact in counts, and in quantiles as good as the
//! histograms.
//!
//! Figures that cannot be summed are kept by shard in [`Summary::parts`] and recomputed from there, so
//! merging is commutative and associative to the last bit, and a merged summary can be merged again. It
//! knows no files: names of summaries are only used in refusals.

mod range;
mod refusal;
mod source;
mod sums;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::report::drift;
use crate::report::numbers::span;
use crate::report::rules::merged_windows;
use crate::report::sections::{end, is_same, name};
use crate::report::summary::{Generator, Part, Rate, Run, Summary, Thresholds, Users};
use crate::report::sums::add_counts;
use crate::report::timeline::UserSeconds;
use crate::report::verdict::judge;

use source::{NamedPart, times};

pub use refusal::MergeError;
pub use source::Source;

/// Time for starting the generators of a run one after the other.
const STARTING: Duration = Duration::from_secs(30);

/// The judged summary of the run that these are parts of. Shards that are missing or did not finish are in
/// its verdict.
///
/// # Errors
/// If the summaries are not parts of one run, cover the same users, or are damaged.
pub fn merge(sources: &[Source]) -> Result<Summary, MergeError> {
    let parts = refusal::checked(sources)?;
    let mut sources: Vec<&Source> = sources.iter().collect();
    sources.sort_by_key(|source| source.summary.run.shard.index);
    let [first, others @ ..] = sources.as_slice() else { return Err(MergeError::Nothing) };
    let mut whole = first.summary.clone();
    for other in others {
        sums::add(&mut whole, &other.summary);
        whole.thresholds = stricter(whole.thresholds, other.summary.thresholds);
        whole.rules.add(&other.summary.rules);
        whole.ended_by.extend(other.summary.ended_by.iter().cloned());
    }
    let of = |local: bool| {
        sums::histograms(sources.iter().map(|source| {
            let Summary { delivery_seconds, remote, .. } = &source.summary;
            (source.name.as_str(), if local { delivery_seconds } else { &remote.delivery_seconds })
        }))
    };
    (whole.delivery_seconds, whole.remote.delivery_seconds) = (of(true)?, of(false)?);
    let judged = sources.iter().map(|source| (source.name.as_str(), &source.summary.judged_seconds));
    whole.judged_seconds = sums::histograms(judged)?;
    whole.run = run(&parts)?;
    whole.users = users(&parts);
    whole.rates = rates(&parts, whole.run.hold_seconds);
    whole.remote.clock_offset_seconds = farthest(&parts);
    whole.generator = generator(&parts);
    whole
        .configuration
        .retain(|name, value| sources.iter().all(|source| source.summary.configuration.get(name) == Some(value)));
    whole.drift = drift::of_summary(&whole);
    whole.ended_by.sort_by(|one, other| (one.shard, &one.at).cmp(&(other.shard, &other.at)));
    whole.user_seconds = user_seconds(&parts);
    whole.windows = merged_windows(&whole, parts.iter().map(|(_, part)| part.windows.as_slice()), common_hold(&parts));
    whole.parts = parts.into_iter().map(|(_, part)| part).collect();
    whole.verdict = judge(&whole, &end(&whole));
    Ok(whole)
}

/// All users' states in the holds, in user-seconds.
fn user_seconds(parts: &[NamedPart<'_>]) -> Option<UserSeconds> {
    let mut all = parts.iter().filter_map(|(_, part)| part.user_seconds);
    let first = all.next()?;
    Some(all.fold(first, UserSeconds::plus))
}

/// The time in which all generators held their load, in seconds since 1970; `None` if there was none.
fn common_hold(parts: &[NamedPart<'_>]) -> Option<(f64, f64)> {
    let mut common = (0.0_f64, f64::INFINITY);
    for (_, Part { run, .. }) in parts {
        let began = humantime::parse_rfc3339(run.hold_began.as_deref()?).ok()?;
        let from = began.duration_since(UNIX_EPOCH).ok()?.as_secs_f64();
        common = (common.0.max(from), common.1.min(from + run.hold_seconds));
    }
    (common.0 < common.1).then_some(common)
}

fn stricter(one: Thresholds, other: Thresholds) -> Thresholds {
    let least = |one: Option<f64>, other: Option<f64>| match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    };
    Thresholds {
        max_lost: one.max_lost.into_iter().chain(other.max_lost).min(),
        max_lost_share: least(one.max_lost_share, other.max_lost_share),
        max_error_rate: least(one.max_error_rate, other.max_error_rate),
        max_late: least(one.max_late, other.max_late),
        max_anomalies: least(one.max_anomalies, other.max_anomalies),
        max_cut: least(one.max_cut, other.max_cut),
        max_p99_seconds: least(one.max_p99_seconds, other.max_p99_seconds),
        max_saturated: least(one.max_saturated, other.max_saturated),
    }
}

/// The run from the first start to the last end. Its hold is that of the generator that held longest, so
/// that the achieved rates show the lack of one that was killed.
fn run(parts: &[NamedPart<'_>]) -> Result<Run, MergeError> {
    let mut span: Option<(SystemTime, SystemTime)> = None;
    for (name, part) in parts {
        let (began, ended) = times(&part.run).ok_or_else(|| MergeError::damaged(name, "its times are not valid"))?;
        span = Some(span.map_or((began, ended), |(first, last)| (first.min(began), last.max(ended))));
    }
    let (Some((began, ended)), Some((_, part))) = (span, parts.first()) else { return Err(MergeError::Nothing) };
    let versions: BTreeSet<&str> = parts.iter().map(|(_, part)| part.run.version.as_str()).collect();
    Ok(Run {
        version: versions.into_iter().collect::<Vec<_>>().join(", "),
        started: humantime::format_rfc3339_millis(began).to_string(),
        duration_seconds: ended.duration_since(began).unwrap_or_default().as_secs_f64(),
        hold_seconds: longest(lives(parts).map(|lives| lives.iter().map(|(_, part)| part.run.hold_seconds).sum())),
        hold_began: parts.iter().filter_map(|(_, part)| part.run.hold_began.clone()).min(),
        horizon_seconds: longest(parts.iter().map(|(_, part)| part.run.horizon_seconds)),
        // The parts have their own.
        earlier_lives: 0,
        complete: parts.iter().all(|(_, part)| part.run.complete),
        ..part.run.clone()
    })
}

/// The lives of each generator, in order of their starts; most have one.
fn lives<'a, 'b>(parts: &'a [NamedPart<'b>]) -> impl Iterator<Item = &'a [NamedPart<'b>]> {
    parts.chunk_by(|(_, one), (_, other)| is_same(one, other))
}

/// The users of all generators, according to the last life of each.
fn users(parts: &[NamedPart<'_>]) -> Users {
    let mut whole = Users { min: u64::MAX, max: 0, target: 0, states: BTreeMap::new() };
    for (_, Part { users, .. }) in lives(parts).filter_map(<[_]>::last) {
        whole.min = whole.min.min(users.min);
        whole.max = whole.max.max(users.max);
        whole.target = whole.target.saturating_add(users.target);
        add_counts(&mut whole.states, &users.states);
    }
    whole
}

fn rates(parts: &[NamedPart<'_>], hold: f64) -> BTreeMap<String, Rate> {
    let mut whole: BTreeMap<String, Rate> = BTreeMap::new();
    for (kind, rate) in parts.iter().flat_map(|(_, part)| &part.rates) {
        let sum = whole.entry(kind.clone()).or_insert_with(sums::no_rate);
        sum.carried_out = sum.carried_out.saturating_add(rate.carried_out);
        add_counts(&mut sum.dropped, &rate.dropped);
    }
    for (kind, rate) in lives(parts).filter_map(<[_]>::last).flat_map(|(_, part)| &part.rates) {
        whole.entry(kind.clone()).or_insert_with(sums::no_rate).set += rate.set;
    }
    for rate in whole.values_mut() {
        // Set rates are finite decimals; round off the error of summing them in binary.
        rate.set = (rate.set * 1e9).round() / 1e9;
        rate.achieved = if hold > 0.0 { rate.carried_out as f64 / hold } else { 0.0 };
    }
    whole
}

/// The largest of the estimated differences between clocks: how far the times of remote messages may be
/// off, in seconds.
fn farthest(parts: &[NamedPart<'_>]) -> Option<f64> {
    let offsets = parts.iter().filter_map(|(_, part)| part.clock_offset_seconds);
    offsets.reduce(|one, other| if other.abs() > one.abs() { other } else { one })
}

/// What all generators used together; the time of saturation is the longest of any.
fn generator(parts: &[NamedPart<'_>]) -> Generator {
    let mut whole = Generator::default();
    for (_, Part { generator, .. }) in parts {
        whole.cpu_seconds_user += generator.cpu_seconds_user;
        whole.cpu_seconds_system += generator.cpu_seconds_system;
        whole.peak_memory_bytes = whole.peak_memory_bytes.saturating_add(generator.peak_memory_bytes);
        whole.threads = whole.threads.saturating_add(generator.threads);
        whole.saturated_seconds = whole.saturated_seconds.max(generator.saturated_seconds);
        most_by(&mut whole.saturated_by, &generator.saturated_by);
        whole.spoilt_seconds = whole.spoilt_seconds.max(generator.spoilt_seconds);
        most_by(&mut whole.spoilt_by, &generator.spoilt_by);
    }
    whole
}

fn most_by(most: &mut BTreeMap<String, f64>, seconds: &BTreeMap<String, f64>) {
    for (reason, seconds) in seconds {
        let most = most.entry(reason.clone()).or_default();
        *most = most.max(*seconds);
    }
}

fn longest(seconds: impl Iterator<Item = f64>) -> f64 {
    seconds.fold(0.0, f64::max)
}

/// Warnings about generators that began so long after the first that they may be restarts whose earlier
/// summaries are missing.
#[must_use]
pub fn late_starts(whole: &Summary) -> Vec<String> {
    let parts = whole.parts.as_slice();
    let began = |part: &Part| humantime::parse_rfc3339(&part.run.started).ok();
    let Some(first) = parts.iter().filter_map(began).min() else { return Vec::new() };
    // Allow for ramps, and for generators started by hand.
    let ramp = longest(parts.iter().map(|part| part.run.duration_seconds - part.run.hold_seconds));
    let usual = STARTING.as_secs_f64() + ramp;
    let firsts = parts.chunk_by(is_same).filter_map(|lives| lives.first()).filter(|part| part.run.earlier_lives == 0);
    firsts
        .filter_map(|part| {
            let after = began(part)?.duration_since(first).ok()?.as_secs_f64();
            (after > usual).then(|| {
                format!(
                    "{} began {} after the first generator; if it was restarted, its earlier counts are missing",
                    name(parts, part),
                    span(after)
                )
            })
        })
        .collect()
}
