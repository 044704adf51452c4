//! Adds counts over generators and over slices of time.
//!
//! Sums saturate, so that no file can make the process panic.

use std::collections::BTreeMap;

use crate::report::summary::{Anomalies, CountsByLabel, Deliveries};

pub(super) fn add_to(sum: &mut u64, n: u64) {
    *sum = sum.saturating_add(n);
}

pub(super) fn add_counts(sum: &mut CountsByLabel, other: &CountsByLabel) {
    for (label, n) in other {
        add_to(sum.entry(label.clone()).or_default(), *n);
    }
}

pub(super) fn add_groups(sum: &mut BTreeMap<String, CountsByLabel>, other: &BTreeMap<String, CountsByLabel>) {
    for (group, counts) in other {
        add_counts(sum.entry(group.clone()).or_default(), counts);
    }
}

pub(super) fn add_deliveries(sum: &mut Deliveries, other: &Deliveries) {
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

pub(super) fn add_anomalies(sum: &mut Anomalies, other: &Anomalies) {
    add_to(&mut sum.duplicate, other.duplicate);
    add_to(&mut sum.reordered, other.reordered);
    add_to(&mut sum.unexpected, other.unexpected);
    add_to(&mut sum.corrupt, other.corrupt);
}
