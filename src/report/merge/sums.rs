//! Adding what adds up: counts by label, and histograms.
//!
//! Sums saturate: what is read from a file must not end the process.

use std::collections::BTreeMap;

use super::refusal::MergeError;
use crate::model::delivery_times;
use crate::report::durations::Durations;
use crate::report::summary::{Anomalies, CountsByLabel, Deliveries, Judged, Presence, Rate, Remote, Summary};

/// Adds all counts of `other`.
pub(super) fn add(whole: &mut Summary, other: &Summary) {
    let all = |deliveries: &Deliveries, anomalies| Judged { deliveries: deliveries.clone(), anomalies };
    let judged = |summary: &Summary| summary.judged.clone().unwrap_or(all(&summary.deliveries, summary.anomalies));
    let remote = |remote: &Remote| remote.judged.clone().unwrap_or(all(&remote.deliveries, remote.anomalies));
    whole.judged = Some(both(judged(whole), &judged(other)));
    whole.remote.judged = Some(both(remote(&whole.remote), &remote(&other.remote)));
    add_deliveries(&mut whole.deliveries, &other.deliveries);
    add_anomalies(&mut whole.anomalies, &other.anomalies);
    add_deliveries(&mut whole.remote.deliveries, &other.remote.deliveries);
    add_anomalies(&mut whole.remote.anomalies, &other.remote.anomalies);
    add_to(&mut whole.foreign, other.foreign);
    whole.loss_groups.add(&other.loss_groups);
    if let Some(rooms) = &other.rooms {
        whole.rooms.get_or_insert_default().add(rooms);
    }
    if let Some(log) = other.anomaly_log {
        whole.anomaly_log.get_or_insert_default().add(log);
    }
    add_counts(&mut whole.operations, &other.operations);
    add_groups(&mut whole.errors, &other.errors);
    add_counts(&mut whole.messages.sent, &other.messages.sent);
    add_counts(&mut whole.messages.received, &other.messages.received);
    add_to(&mut whole.messages.received_bytes, other.messages.received_bytes);
    add_presence(&mut whole.presence, &other.presence);
    add_counts(&mut whole.clock.events, &other.clock.events);
    for (kind, seconds) in &other.clock.seconds {
        *whole.clock.seconds.entry(kind.clone()).or_default() += seconds;
    }
    add_to(&mut whole.clock.dns_changes, other.clock.dns_changes);
    for (socket, other) in &other.connections {
        let sockets = whole.connections.entry(socket.clone()).or_default();
        add_to(&mut sockets.attempts, other.attempts);
        add_to(&mut sockets.joined, other.joined);
        add_counts(&mut sockets.failures, &other.failures);
        add_groups(&mut sockets.disconnects, &other.disconnects);
    }
}

fn add_to(sum: &mut u64, n: u64) {
    *sum = sum.saturating_add(n);
}

pub(super) fn add_counts(sum: &mut CountsByLabel, other: &CountsByLabel) {
    for (label, n) in other {
        add_to(sum.entry(label.clone()).or_default(), *n);
    }
}

fn add_groups(sum: &mut BTreeMap<String, CountsByLabel>, other: &BTreeMap<String, CountsByLabel>) {
    for (group, counts) in other {
        add_counts(sum.entry(group.clone()).or_default(), counts);
    }
}

fn add_deliveries(sum: &mut Deliveries, other: &Deliveries) {
    add_to(&mut sum.expected, other.expected);
    add_to(&mut sum.on_time, other.on_time);
    add_to(&mut sum.late, other.late);
    add_to(&mut sum.lost, other.lost);
    add_to(&mut sum.excused.total, other.excused.total);
    add_to(&mut sum.excused.left, other.excused.left);
    add_to(&mut sum.excused.server, other.excused.server);
    add_to(&mut sum.excused.network, other.excused.network);
    add_to(&mut sum.excused.sender_cut, other.excused.sender_cut);
    add_to(&mut sum.excused.refused, other.excused.refused);
    add_to(&mut sum.outstanding, other.outstanding);
    add_to(&mut sum.raced, other.raced);
}

fn both(mut sum: Judged, other: &Judged) -> Judged {
    add_deliveries(&mut sum.deliveries, &other.deliveries);
    add_anomalies(&mut sum.anomalies, &other.anomalies);
    sum
}

fn add_anomalies(sum: &mut Anomalies, other: &Anomalies) {
    add_to(&mut sum.duplicate, other.duplicate);
    add_to(&mut sum.reordered, other.reordered);
    add_to(&mut sum.unexpected, other.unexpected);
    add_to(&mut sum.corrupt, other.corrupt);
}

/// Each generator judges its own users, so all of it adds up; the most at a time is then an upper bound.
fn add_presence(sum: &mut Presence, other: &Presence) {
    for (sum, other) in [(&mut sum.ghost, &other.ghost), (&mut sum.missing, &other.missing)] {
        add_to(&mut sum.at_end, other.at_end);
        add_to(&mut sum.most, other.most);
        add_to(&mut sum.episodes, other.episodes);
    }
    add_counts(&mut sum.lists, &other.lists);
}

/// A rate of nothing.
pub(super) fn no_rate() -> Rate {
    Rate { set: 0.0, achieved: 0.0, carried_out: 0, dropped: CountsByLabel::new() }
}

/// The sums of all files' histograms, by basis, and their quantiles.
pub(super) fn histograms<'a>(
    files: impl Iterator<Item = (&'a str, &'a BTreeMap<String, Durations>)>,
) -> Result<BTreeMap<String, Durations>, MergeError> {
    let mut sums = BTreeMap::new();
    for (file, bases) in files {
        for (basis, durations) in bases {
            let sum = sums.entry(basis.clone()).or_insert_with(delivery_times);
            let histogram = durations.decode().map_err(|error| MergeError::histogram(file, &error))?;
            let Some(histogram) = histogram else { continue };
            if histogram.len() != durations.count {
                let why = format!("{basis}: {} deliveries, {} in the histogram", durations.count, histogram.len());
                return Err(MergeError::damaged(file, why));
            }
            let beyond = |_| MergeError::damaged(file, format!("{basis}: a time to delivery beyond the longest"));
            sum.add(&histogram).map_err(beyond)?;
        }
    }
    Ok(sums.into_iter().map(|(basis, sum)| (basis, Durations::of(&sum))).collect())
}
