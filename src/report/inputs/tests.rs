//! A clean minute of 200 users, which other tests use too, and its summary.

use std::time::UNIX_EPOCH;

use super::*;
use crate::model::{DropReason, EndReason, FailureKind, FrameKind, Initiator, OwnName, SentKind};
use crate::report::timeline::tests::full_timeline;

/// A name of a driver's.
const OVER_CAPACITY: FailureKind = FailureKind::Own(&OwnName::at::<0>("over_capacity"));

/// The default thresholds.
pub(crate) fn thresholds() -> Thresholds {
    Thresholds {
        max_lost: Some(0),
        max_lost_share: None,
        max_error_rate: Some(0.01),
        max_late: Some(0.01),
        max_anomalies: Some(0.001),
        max_cut: Some(0.05),
        max_p99_seconds: None,
        max_saturated: Some(0.01),
    }
}

/// The inputs of a clean minute of 200 users.
pub(crate) fn facts() -> RunInputs {
    RunInputs {
        id: "soak-7f3a".into(),
        seed: 42,
        plenary: "test".into(),
        shard: Shard { index: 0, count: 1 },
        users: 0..200,
        started: UNIX_EPOCH + Duration::from_secs(1_793_872_800),
        took: Duration::from_millis(72_400),
        hold: Duration::from_secs(60),
        set_rates: [20.0, 1.0, 2.0],
        carried_out: [1_200, 60, 119],
        saturated: Duration::ZERO,
        saturated_by: [Duration::ZERO; SaturationReason::COUNT],
        spoilt: Duration::ZERO,
        spoilt_by: [Duration::ZERO; SpoiltBy::COUNT],
        configuration: BTreeMap::new(),
        thresholds: thresholds(),
        rules: Rules::default(),
        windows: Vec::new(),
        ended_by: None,
        user_seconds: Some(UserSeconds { target: 12_000.0, connected: 11_900.0, away: 100.0 }),
        hold_began: Some(UNIX_EPOCH + Duration::from_secs(1_793_872_810)),
        horizon: Duration::from_secs(60),
        end: End::Settled,
        earlier_lives: 0,
    }
}

/// The figures of that minute.
pub(crate) fn figures() -> Measurements {
    let mut ledger = LedgerSnapshot::empty();
    let local = &mut ledger.by_origin[Origin::Local as usize];
    local.expected = 240_000;
    local.outcomes = [239_000, 0, 0, 990, 10, 0, 0, 0];
    for (basis, shift) in [(Basis::Intended, 200), (Basis::Sent, 0)] {
        let histogram = &mut ledger.durations[Origin::Local as usize][basis as usize];
        (0..239_000_u64).for_each(|i| histogram.saturating_record(900 + shift + i % 1_000 * 12));
    }
    ledger.judged = ledger.by_origin;
    ledger.judged_durations[0] = ledger.durations[Origin::Local as usize][Basis::Intended as usize].clone();
    let totals = Totals {
        operations: [200, 0, 260, 380, 1_380, 480_000, 240_000],
        errors: vec![((Stage::Connect, OVER_CAPACITY), 1)],
        sent: vec![
            (SentKind::Chat, 1_200),
            (SentKind::Heartbeat, 480),
            (SentKind::Ping, 0),
            (SentKind::Pong, 600),
            (SentKind::Close, 200),
        ],
        received: vec![(FrameKind::Chat, 239_000), (FrameKind::Error, 0)],
        received_bytes: 91_000_000,
        connect_attempts: [260, 120],
        joined: [260, 119],
        connect_failures: vec![((SocketKind::SideRoom, OVER_CAPACITY), 1)],
        disconnects: vec![((SocketKind::Room, Initiator::User, EndReason::Left), 60)],
        dropped: vec![((Action::SideRoom, DropReason::Backpressure), 1)],
        http: Vec::new(),
        ..Totals::default()
    };
    let process = ProcessFigures {
        cpu_user: 8.25,
        cpu_system: 6.5,
        peak_resident: 41_000_000,
        threads: 5,
        ..ProcessFigures::default()
    };
    let users = UsersSnapshot { target: 200, states: [0, 0, 0, 198, 2, 0, 0] };
    let presence = PresenceFindings { lists: [60, 0, 0], ..PresenceFindings::default() };
    Measurements {
        ledger,
        before_hold: Some(Arc::new(LedgerSnapshot::empty())),
        users,
        presence,
        totals,
        process,
        rooms: None,
        losses: NamedLossGroups::default(),
        recoveries: Vec::new(),
        marked: None,
        timeline: None,
    }
}

/// The summary of that minute.
pub(crate) fn night() -> Summary {
    summarise(&facts(), &figures())
}

#[test]
fn the_schema_is_kept() {
    let mut summary = night();
    summary.run.version = "0.0.0".into();
    // The bytes depend on the deflater; a test of `durations` decodes them.
    let times = summary.delivery_seconds.values_mut().chain(summary.judged_seconds.values_mut());
    times.for_each(|durations| durations.histogram = "…".into());
    insta::assert_snapshot!(serde_json::to_string_pretty(&summary).unwrap());
}

/// Every key of the schema; keys of maps are labels, which belong to the metrics.
fn keys(value: &serde_json::Value, found: &mut std::collections::BTreeSet<String>) {
    let serde_json::Value::Object(entries) = value else { return };
    for (key, inner) in entries {
        found.insert(key.clone());
        let labels = [
            "states",
            "dropped",
            "operations",
            "errors",
            "sent",
            "received",
            "failures",
            "disconnects",
            "lists",
            "watched",
        ];
        if !labels.contains(&key.as_str()) {
            keys(inner, found);
        }
    }
}

#[test]
fn every_key_is_documented() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/summary.md");
    let page = std::fs::read_to_string(path).unwrap();
    let mut found = std::collections::BTreeSet::new();
    let timeline = full_timeline(1);
    keys(&serde_json::to_value(&timeline.slices[0]).unwrap(), &mut found);
    keys(&serde_json::to_value(&timeline.events[0]).unwrap(), &mut found);
    keys(&serde_json::to_value(Summary { timeline: Some(timeline), ..night() }).unwrap(), &mut found);
    assert!(found.len() > 50, "{found:?}");
    let named = |key: &String| page.contains(&format!("`{key}`")) || page.contains(&format!(".{key}`"));
    let missing: Vec<_> = found.into_iter().filter(|key| !named(key)).collect();
    assert!(missing.is_empty(), "docs/summary.md does not name {missing:?}");
}

#[test]
fn what_is_written_is_read_back() {
    let summary = night();
    let text = serde_json::to_string(&summary).unwrap();
    assert_eq!(serde_json::from_str::<Summary>(&text).unwrap(), summary);
}

#[test]
fn the_books_of_the_summary_balance() {
    let Deliveries { expected, on_time, late, lost, excused, outstanding, .. } = night().deliveries;
    assert_eq!(expected, on_time + late + lost + excused.total + outstanding);
}

#[test]
fn a_run_that_never_held_has_achieved_nothing() {
    let facts = RunInputs { hold: Duration::ZERO, ..facts() };
    assert_eq!(summarise(&facts, &figures()).rates["chat"].achieved, 0.0);
}

#[test]
fn times_that_are_judged_are_those_of_the_hold() {
    let mut before = LedgerSnapshot::empty();
    before.judged_durations[0].saturating_record(2_000_000);
    let mut figures = figures();
    figures.ledger.judged_durations[0] = before.judged_durations[0].clone();
    figures.ledger.judged_durations[0].saturating_record(1_000);
    figures.before_hold = Some(Arc::new(before));
    let judged = &summarise(&facts(), &figures).judged_seconds["intended"];
    assert_eq!((judged.count, judged.max), (1, Some(0.001)));
    figures.before_hold = None;
    assert_eq!(summarise(&facts(), &figures).judged_seconds["intended"].count, 0, "there was no hold");
}

/// A summary of eight hours, and one with the maximum number of slices.
#[test]
fn a_summary_with_everything_in_it_is_under_3_mb() {
    for slices in [480, 1_440] {
        let summary = Summary { timeline: Some(full_timeline(slices)), ..night() };
        let text = serde_json::to_string_pretty(&summary).unwrap();
        assert!(text.len() < 3_000_000, "{slices} slices: {} bytes", text.len());
        assert_eq!(serde_json::from_str::<Summary>(&text).unwrap(), summary);
    }
}
