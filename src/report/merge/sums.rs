//! Adding the summaries of several generators: their counts, and their histograms.

use std::collections::BTreeMap;

use super::refusal::MergeError;
use crate::model::delivery_times;
use crate::report::durations::Durations;
use crate::report::summary::{CountsByLabel, Deliveries, Judged, Presence, Rate, Remote, Summary};
use crate::report::sums::{add_anomalies, add_counts, add_deliveries, add_groups, add_to};
use crate::report::{marked, recoveries};

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
    if let Some(timeline) = &other.timeline {
        whole.timeline.get_or_insert_default().merge(timeline);
    }
    marked::merge(&mut whole.marked, other.marked.as_ref());
    recoveries::merge(&mut whole.recoveries, &other.recoveries);
    for (socket, other) in &other.connections {
        let sockets = whole.connections.entry(socket.clone()).or_default();
        add_to(&mut sockets.attempts, other.attempts);
        add_to(&mut sockets.joined, other.joined);
        add_counts(&mut sockets.failures, &other.failures);
        add_groups(&mut sockets.disconnects, &other.disconnects);
    }
}

fn both(mut sum: Judged, other: &Judged) -> Judged {
    add_deliveries(&mut sum.deliveries, &other.deliveries);
    add_anomalies(&mut sum.anomalies, &other.anomalies);
    sum
}

/// Adds presence. Each generator judges its own users, so all counts add up; the sum of the peaks is an
/// upper bound.
fn add_presence(sum: &mut Presence, other: &Presence) {
    for (sum, other) in [(&mut sum.ghost, &other.ghost), (&mut sum.missing, &other.missing)] {
        add_to(&mut sum.at_end, other.at_end);
        add_to(&mut sum.most, other.most);
        add_to(&mut sum.episodes, other.episodes);
    }
    add_counts(&mut sum.lists, &other.lists);
}

/// A rate of zero.
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
