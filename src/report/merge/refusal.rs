//! Checks whether summaries can be merged; refusals name their files.

use std::time::Duration;

use super::range::impossible;
use super::source::{NamedPart, Source, times};
use crate::error::ExitCode;
use crate::report::durations::HistogramError;
use crate::report::marked::{without, without_anomalies};
use crate::report::sections::is_same;
use crate::report::summary::{Anomalies, Deliveries, Judged, Part, Summary, Users};

/// Longest apparent overlap of two lives of a generator, from a clock that was set between them.
const CLOCKS: Duration = Duration::from_secs(5);

/// Summaries that are not those of one run's generators; exit code 104.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// No summary at all.
    #[error("there is no summary to merge")]
    Nothing,
    /// A summary of another run.
    #[error("{other} is not of the same run as {one}: its {what} is {found}, not {expected}")]
    OtherRun {
        /// The file that the other is compared with.
        one: String,
        /// The one that differs.
        other: String,
        /// The property that differs.
        what: &'static str,
        /// Its value.
        found: String,
        /// The expected value.
        expected: String,
    },
    /// The same generator twice.
    #[error("{one} and {other} are both of shard {shard} at the same time: each generator counts once")]
    SameShard {
        /// One file.
        one: String,
        /// The other.
        other: String,
        /// The shard.
        shard: String,
    },
    /// Users that two generators had.
    #[error("{one} and {other} overlap: users {one_users} and {other_users}; the parts of a run are disjoint")]
    Overlap {
        /// One file.
        one: String,
        /// The other.
        other: String,
        /// Its users.
        one_users: String,
        /// The other's.
        other_users: String,
    },
    /// Contents that no generator wrote.
    #[error("{file} is damaged: {why}")]
    Damaged {
        /// The file.
        file: String,
        /// What is wrong with it.
        why: String,
    },
}

impl MergeError {
    pub(super) fn damaged(file: &str, why: impl Into<String>) -> Self {
        Self::Damaged { file: file.to_owned(), why: why.into() }
    }

    pub(super) fn histogram(file: &str, error: &HistogramError) -> Self {
        Self::damaged(file, error.to_string())
    }
}

/// The parts of all sources by shard, checked to be parts of one run.
pub(super) fn checked(sources: &[Source]) -> Result<Vec<NamedPart<'_>>, MergeError> {
    let mut parts: Vec<NamedPart<'_>> = sources
        .iter()
        .flat_map(|source| parts_of(&source.summary).into_iter().map(|part| (source.name.as_str(), part)))
        .collect();
    for named in &parts {
        same_run(&parts[0], named)?;
    }
    for source in sources {
        balanced(source)?;
    }
    parts.sort_by(|(_, one), (_, other)| {
        let seat = |part: &Part| (part.run.shard.index, part.users.min, part.users.max, part.run.started.clone());
        seat(one).cmp(&seat(other))
    });
    for (one, other) in parts.iter().zip(parts.iter().skip(1)) {
        if one.1.run.shard == other.1.run.shard && !follows(&one.1, &other.1) {
            let (one_file, other_file) = (one.0.to_owned(), other.0.to_owned());
            let shard = one.1.run.shard.to_string();
            return Err(MergeError::SameShard { one: one_file, other: other_file, shard });
        }
    }
    disjoint(&parts)?;
    Ok(parts)
}

/// The parts of a summary; itself, unless it was merged.
fn parts_of(summary: &Summary) -> Vec<Part> {
    if !summary.parts.is_empty() {
        return summary.parts.clone();
    }
    vec![Part {
        run: summary.run.clone(),
        users: summary.users.clone(),
        rates: summary.rates.clone(),
        clock_offset_seconds: summary.remote.clock_offset_seconds,
        generator: summary.generator.clone(),
        user_seconds: summary.user_seconds,
        windows: summary.windows.clone(),
        verdict: summary.verdict.clone(),
    }]
}

fn same_run(first: &NamedPart<'_>, named: &NamedPart<'_>) -> Result<(), MergeError> {
    let ((one, expected), (other, found)) = (first, named);
    let (expected, found) = (&expected.run, &found.run);
    let shard = found.shard;
    if !shard.exists() {
        return Err(MergeError::damaged(other, format!("there is no shard {shard}")));
    }
    let differences = [
        ("run id", expected.id.clone(), found.id.clone()),
        ("plenary", expected.plenary.clone(), found.plenary.clone()),
        ("seed", expected.seed.to_string(), found.seed.to_string()),
        ("number of shards", expected.shard.count.to_string(), shard.count.to_string()),
    ];
    // Generators with ranges instead of shards have their own seeds.
    let counts = |what: &str| what != "seed" || shard.count > 1;
    match differences.into_iter().find(|(what, expected, found)| expected != found && counts(what)) {
        None => Ok(()),
        Some((what, expected, found)) => {
            let (one, other) = ((*one).to_owned(), (*other).to_owned());
            Err(MergeError::OtherRun { one, other, what, found, expected })
        }
    }
}

/// Whether two parts of the same shard may stand side by side: two generators with ranges instead of
/// shards, or two lives of one generator, one after the other.
fn follows(one: &Part, other: &Part) -> bool {
    if !is_same(one, other) {
        return one.run.shard.count == 1;
    }
    match (times(&one.run), times(&other.run)) {
        (Some((began, ended)), Some((again, _))) => again > began && again + CLOCKS >= ended,
        _ => false,
    }
}

/// Checks that the deliveries of a source balance.
fn balanced(source: &Source) -> Result<(), MergeError> {
    let Summary { deliveries, judged, remote, users, .. } = &source.summary;
    let books = [
        ("deliveries", Some(deliveries)),
        ("judged deliveries", judged.as_ref().map(|judged| &judged.deliveries)),
        ("remote deliveries", Some(&remote.deliveries)),
        ("judged remote deliveries", remote.judged.as_ref().map(|judged| &judged.deliveries)),
    ];
    for (what, book) in books.into_iter().filter_map(|(what, book)| Some((what, book?))) {
        if let Some(why) = imbalance(book) {
            return Err(MergeError::damaged(&source.name, format!("its {what} do not balance, {why}")));
        }
    }
    let aside = &source.summary.set_aside().cloned().unwrap_or_default();
    let rest = |all: &Deliveries, odd: &Anomalies, part: &Deliveries, part_odd: &Anomalies| {
        (without(all, part), without_anomalies(odd, part_odd))
    };
    let own = rest(deliveries, &source.summary.anomalies, &aside.deliveries, &aside.anomalies);
    let others = rest(&remote.deliveries, &remote.anomalies, &aside.remote.deliveries, &aside.remote.anomalies);
    for (origin, (deliveries, anomalies), judged) in [("", own, judged), ("remote ", others, &remote.judged)] {
        if let Some(why) = judged.as_ref().and_then(|judged| misfit(origin, &deliveries, &anomalies, judged)) {
            return Err(MergeError::damaged(&source.name, why));
        }
    }
    let rooms = source.summary.rooms.iter().flat_map(|rooms| &rooms.worst);
    if let Some(room) = rooms.into_iter().find(|room| !room.balances()) {
        return Err(MergeError::damaged(
            &source.name,
            format!("the deliveries of the room {} do not balance", room.room),
        ));
    }
    if let Some(why) = ungrouped(&source.summary).or_else(|| impossible(&source.summary)) {
        return Err(MergeError::damaged(&source.name, why));
    }
    if users.min >= users.max {
        let why = format!("it has users {}..{}", users.min, users.max);
        return Err(MergeError::damaged(&source.name, why));
    }
    Ok(())
}

/// The imbalance of deliveries, with the figures.
fn imbalance(book: &Deliveries) -> Option<String> {
    let Deliveries { expected, on_time, late, lost, excused, outstanding, .. } = book;
    let sum = |counts: &[u64]| counts.iter().map(|n| u128::from(*n)).sum::<u128>();
    let found = sum(&[*on_time, *late, *lost, excused.total, *outstanding]);
    let reasons = sum(&[excused.left, excused.server, excused.network, excused.sender_cut, excused.refused]);
    if found != u128::from(*expected) {
        return Some(format!(
            "expected {expected}, but on time {on_time} + late {late} + lost {lost} + excused {} + outstanding \
             {outstanding} = {found}",
            excused.total
        ));
    }
    (reasons != u128::from(excused.total)).then(|| format!("excused {}, but {reasons} by reason", excused.total))
}

/// The judged figure that does not fit these deliveries, if any: spoilt time can only take out late or
/// lost deliveries and anomalies.
fn misfit(origin: &str, all: &Deliveries, anomalies: &Anomalies, judged: &Judged) -> Option<String> {
    let Judged { deliveries: judged, anomalies: few } = judged;
    let most = [
        ("late", judged.late, all.late),
        ("lost", judged.lost, all.lost),
        ("duplicate", few.duplicate, anomalies.duplicate),
        ("reordered", few.reordered, anomalies.reordered),
        ("unexpected", few.unexpected, anomalies.unexpected),
        ("corrupt", few.corrupt, anomalies.corrupt),
    ];
    let same = [
        ("on time", judged.on_time, all.on_time),
        ("excused", judged.excused.total, all.excused.total),
        ("outstanding", judged.outstanding, all.outstanding),
    ];
    let over = most.into_iter().find(|(_, judged, all)| judged > all);
    let (what, judged, all) = over.or_else(|| same.into_iter().find(|(_, judged, all)| judged != all))?;
    Some(format!("its judged {origin}deliveries do not fit: {what} {judged} of {all}"))
}

/// The difference between the groups of losses and the losses, in words. Files of 0.1 have no groups; in a
/// checkpoint or an aborted run the groups are from a moment later.
fn ungrouped(summary: &Summary) -> Option<String> {
    let Summary { deliveries, remote, loss_groups, .. } = summary;
    let parts = parts_of(summary);
    if loss_groups.is_empty()
        || !parts.iter().all(|part| part.run.complete && part.verdict.code != ExitCode::Interrupted.number())
    {
        return None;
    }
    let lost = u128::from(deliveries.lost) + u128::from(remote.deliveries.lost);
    let largest: u128 = loss_groups.largest.iter().map(|group| u128::from(group.deliveries)).sum();
    let grouped = largest + u128::from(loss_groups.rest.deliveries);
    let with_groups =
        |part: &Part| part.verdict.code == ExitCode::Refused.number() || !part.verdict.thresholds.is_empty();
    let fits = if parts.len() == 1 || parts.iter().all(with_groups) { grouped == lost } else { grouped <= lost };
    (!fits).then(|| format!("its groups of losses have {grouped} deliveries, and {lost} were lost"))
}

fn disjoint(parts: &[NamedPart<'_>]) -> Result<(), MergeError> {
    let mut by_users: Vec<&NamedPart<'_>> = parts.iter().collect();
    by_users.sort_by_key(|(_, part)| (part.users.min, part.users.max));
    for ((one, a), (other, b)) in by_users.iter().zip(by_users.iter().skip(1)) {
        if b.users.min < a.users.max && !is_same(a, b) {
            let shown = |Users { min, max, .. }: &Users| format!("{min}..{max}");
            return Err(MergeError::Overlap {
                one: (*one).to_owned(),
                other: (*other).to_owned(),
                one_users: shown(&a.users),
                other_users: shown(&b.users),
            });
        }
    }
    Ok(())
}
