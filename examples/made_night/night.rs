//! The night, minute by minute: 2,000 users in 40 rooms; two restarts of the server, at 01:30 and 04:00 UTC.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde_json::json;
use soakrig::model::return_moment;
use soakrig::report::disruptions::Disruption;
use soakrig::report::drift;
use soakrig::report::durations::Durations;
use soakrig::report::end::End;
use soakrig::report::marked::Marked;
use soakrig::report::recoveries::{RecoveryFigures, RecoverySeconds};
use soakrig::report::summary::{Connections, Deliveries, Judged, Rate, Summary};
use soakrig::report::timeline::{GeneratorSlice, Slice, Timeline, TimelineEvent, UserSeconds, Watched};
use soakrig::report::verdict::judge;
use soakrig::stats::Sketch;

/// 2026-11-26T22:00:00Z.
const BEGIN: u64 = 1_795_730_400;
const MINUTES: u64 = 480;
const USERS: f64 = 2_000.0;
const RAMP: u64 = 4;
const RESTARTS: [u64; 2] = [210, 360];
/// Messages per minute, and receivers of each.
const MESSAGES: u64 = 2_400;
const RECEIVERS: u64 = 50;
const DEPLOY: &str = "rolling deploy of 3.2";

/// Noise that is the same each time, between -1 and 1.
fn noise(n: u64) -> f64 {
    let mixed = n.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ (mixed >> 31)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    ((mixed >> 11) as f64) / ((1_u64 << 52) as f64) - 1.0
}

/// Minutes since the server started.
fn up(minute: u64) -> u64 {
    minute - RESTARTS.iter().copied().filter(|at| *at <= minute).max().unwrap_or(0)
}

fn connected(minute: u64) -> f64 {
    let ramp = if minute < RAMP { (minute as f64 + 0.5) / RAMP as f64 } else { 1.0 };
    let back = match up(minute) {
        _ if minute < RESTARTS[0] => 1.0,
        0 => 0.25,
        1 => 0.55,
        2 => 0.9,
        _ => 1.0,
    };
    (USERS - 12.0) * ramp * back
}

fn times(minute: u64, deliveries: u64) -> Sketch {
    let mut sketch = Sketch::default();
    let slower = 1.0 + 0.11 * minute as f64 / 60.0;
    let restarted = minute >= RESTARTS[0] && up(minute) < 3;
    for n in 0..400_u64 {
        let normal: f64 = (0..6).map(|k| noise(minute * 10_000 + n * 7 + k)).sum::<f64>() / 1.41;
        let tail = if restarted && n % 8 == 0 { 40.0 } else { 1.0 };
        sketch.add(0.042 * slower * tail * (0.55 * normal).exp(), deliveries / 400);
    }
    sketch.add(0.4 * slower * (1.0 + 0.3 * noise(minute)), deliveries % 400);
    sketch
}

fn slice(minute: u64) -> Slice {
    let mut slice = Slice { start: BEGIN + minute * 60, ..Slice::default() };
    let (users, hold) = (connected(minute), if minute < RAMP { 0.0 } else { 60.0 });
    let restarted = RESTARTS.contains(&minute);
    let recovering = minute >= RESTARTS[0] && up(minute) < 3;
    let away = if minute < RAMP { 0.0 } else { 12.0 };
    slice.hold_seconds = hold;
    slice.users = UserSeconds { target: USERS * 60.0, connected: users * 60.0, away: away * 60.0 };
    slice.sent = (MESSAGES as f64 * users / USERS + 20.0 * noise(minute + 7)) as u64;
    let expected = slice.sent * RECEIVERS;
    let lost = if restarted { 412 + minute } else { 0 };
    let excused = if restarted { expected / 9 } else { 60 + minute % 17 };
    let late = if recovering { expected / 11 } else { minute % 5 };
    slice.deliveries =
        Deliveries { expected, late, lost, on_time: expected - late - lost - excused, ..Deliveries::default() };
    slice.deliveries.excused.total = excused;
    if restarted {
        slice.deliveries.excused.server = excused;
    } else {
        slice.deliveries.excused.left = excused;
    }
    slice.received = expected - lost - excused + 4_000;
    slice.times = times(minute, slice.deliveries.on_time + late).into();
    slice.operations = BTreeMap::from([("connect".to_owned(), slice.joined), ("send".to_owned(), slice.sent)]);
    slice.joined = if minute < RAMP { 497 } else { 12 };
    slice.disconnects = BTreeMap::from([("user".to_owned(), BTreeMap::from([("left".to_owned(), 12)]))]);
    if restarted {
        slice.disconnects.insert("server".to_owned(), BTreeMap::from([("closed_1012".to_owned(), 1_988)]));
    }
    if recovering {
        slice.joined = 660;
        let refused = [3_410, 1_260, 180][up(minute) as usize];
        let kinds = BTreeMap::from([("refused".to_owned(), refused), ("timeout".to_owned(), refused / 20)]);
        slice.errors.insert("connect".to_owned(), kinds);
        slice.dropped.insert("no_user".to_owned(), MESSAGES - slice.sent);
    }
    if minute % 90 == 40 {
        slice.errors.insert("log_in".to_owned(), BTreeMap::from([("http_503".to_owned(), 3)]));
    }
    slice
        .operations
        .insert("connect".to_owned(), slice.joined + slice.errors.values().flat_map(BTreeMap::values).sum::<u64>());
    slice.generator =
        GeneratorSlice { cpu_seconds: 18.0 + 2.0 * noise(minute + 99), memory_bytes: 92_000_000 + minute * 4_000 };
    if minute == 407 {
        (slice.spoilt_seconds, slice.generator.cpu_seconds) = (3.4, 55.0);
    }
    let memory = 3.6e8 + 6.1e6 * up(minute) as f64 + 4e6 * noise(minute + 31);
    let mut watch =
        |name: &str, value: f64| slice.watched.insert(name.to_owned(), Watched { sum: value * 4.0, samples: 4 });
    watch("server_memory_bytes", memory);
    watch("open_files", users + 60.0 + 0.8 * up(minute) as f64);
    slice
}

fn timeline() -> Timeline {
    let mut timeline = Timeline::default();
    (0..MINUTES).for_each(|minute| timeline.add(&slice(minute)));
    let mut note = |minute: f64, kind: &str, text: &str| {
        let at = BEGIN as f64 + minute * 60.0;
        timeline.note(TimelineEvent { at, kind: kind.to_owned(), text: text.to_owned(), shard: None });
    };
    note(0.0, "phase", "the ramp began");
    note(4.0, "phase", "the hold began: 2,000 users are connected");
    note(210.1, "watch", "server_memory_bytes: http://127.0.0.1:9100/metrics did not answer");
    note(211.0, "rule", "late > 1% over 1m was true for the first time: 9.1 %");
    note(360.1, "watch", "server_memory_bytes: http://127.0.0.1:9100/metrics did not answer");
    note(407.2, "clock", "the process stood still for 3.4 s");
    note(479.9, "phase", "the stop began: --duration was over");
    timeline
}

/// Every user is reset at 23:00 UTC and comes back within half a minute; a deploy that is planned cuts half of
/// them, one after the other, at 03:00.
fn steered(summary: &mut Summary, timeline: &mut Timeline) {
    let mut note = |minute: f64, kind: &str, text: &str| {
        let at = BEGIN as f64 + minute * 60.0;
        timeline.note(TimelineEvent { at, kind: kind.to_owned(), text: text.to_owned(), shard: None });
    };
    note(60.0, "control", "disconnect 100%");
    note(300.0, "mark_begin", DEPLOY);
    note(306.5, "mark_end", DEPLOY);
    let back = |slowest: f64, users: f64| -> Vec<u64> {
        let moments = (0..60).map(|nth| return_moment(nth).as_secs_f64());
        let curve: Vec<u64> = moments.map(|at| (users * (at / slowest).powf(1.4).min(1.0)) as u64).collect();
        let until = curve.iter().position(|back| *back as f64 >= users).map_or(60, |nth| nth + 1);
        curve.into_iter().take(until).collect()
    };
    let recovery = |what: &str, minute: u64, users: u64, slowest: f64| {
        let took = [0.5_f64, 0.9, 0.99, 1.0].map(|share| Some(slowest * share.powf(1.0 / 1.4)));
        let [p50, p90, p99, all] = took;
        let (at, curve) = ((BEGIN + minute * 60) as f64, back(slowest, users as f64));
        let seconds = RecoverySeconds { p50, p90, p99, all };
        RecoveryFigures { what: what.to_owned(), at, held: 1_988, users, back: users, seconds, curve }
    };
    summary.recoveries = vec![recovery("disconnect 100%", 60, 1_988, 27.0), recovery(DEPLOY, 300, 994, 4.2)];
    let deploy = Disruption {
        what: DEPLOY.to_owned(),
        at: (BEGIN + 300 * 60) as f64,
        seconds: 390.0,
        sent: 15_600,
        expected: 780_000,
        late: 212,
        cut: 994,
        errors: 31,
        ..Disruption::default()
    };
    summary.marked = Some(Marked { seconds: 390.0, sent: 15_600, each: vec![deploy], ..Marked::default() });
}

/// A summary in which nothing has happened yet.
fn blank() -> Summary {
    let blank = json!({
        "schema_version": 1,
        "run": {"id": "night-0a17", "seed": 42, "plenary": "event-%s", "shard": {"index": 0, "count": 1},
                "version": env!("CARGO_PKG_VERSION"), "started": "2026-11-26T22:00:00Z", "duration_seconds": 28_800.0,
                "hold_seconds": 28_560.0, "complete": true},
        "users": {"min": 0, "max": 2000, "target": 2000, "states": {"connected": 1988, "away": 12}},
        "rates": {}, "deliveries": {"expected": 0, "on_time": 0, "late": 0, "lost": 0,
            "excused": {"total": 0, "left": 0, "server": 0, "network": 0, "sender_cut": 0}, "outstanding": 0, "raced": 0},
        "anomalies": {"duplicate": 0, "reordered": 0, "unexpected": 0, "corrupt": 0},
        "delivery_seconds": {}, "remote": {"deliveries": {"expected": 0, "on_time": 0, "late": 0, "lost": 0,
            "excused": {"total": 0, "left": 0, "server": 0, "network": 0, "sender_cut": 0}, "outstanding": 0, "raced": 0},
            "anomalies": {"duplicate": 0, "reordered": 0, "unexpected": 0, "corrupt": 0}, "delivery_seconds": {},
            "clock_offset_seconds": null},
        "operations": {}, "errors": {}, "messages": {"sent": {}, "received": {}, "received_bytes": 0},
        "connections": {},
        "generator": {"cpu_seconds_user": 6_900.0, "cpu_seconds_system": 1_740.0, "peak_memory_bytes": 94_000_000,
            "threads": 5, "saturated_seconds": 0.0, "saturated_by": {}, "spoilt_seconds": 3.4, "spoilt_by": {"stall": 3.4}},
        "thresholds": {"max_lost": 0, "max_lost_share": null, "max_error_rate": 0.01, "max_late": 0.01,
            "max_anomalies": 0.001, "max_cut": 0.05, "max_p99_seconds": 0.5, "max_saturated": 0.01},
        "verdict": {"code": 0, "reason": ""},
        "rooms": {"count": 40, "worst": []},
        "loss_groups": {"largest": [], "rest": {"messages": 120, "deliveries": 994}},
    });
    serde_json::from_value(blank).expect("a blank summary")
}

/// Times to delivery of the whole night, as the summary keeps them.
fn durations(total: &Slice) -> Durations {
    let mut histogram = Histogram::<u64>::new_with_bounds(1, 3_600_000_000, 3).expect("bounds");
    for (bucket, n) in total.times.sketch().buckets() {
        let micros = (51.0_f64 / 49.0).powi(i32::from(bucket)) / 1.02 * 1e6;
        histogram.saturating_record_n(micros as u64, n);
    }
    Durations::of(&histogram)
}

/// The summary of the night.
pub fn night() -> Summary {
    let mut summary = blank();
    let mut timeline = timeline();
    steered(&mut summary, &mut timeline);
    let total = timeline.total();
    summary.deliveries = total.deliveries.clone();
    summary.judged = Some(Judged { deliveries: total.deliveries.clone(), ..Judged::default() });
    summary.errors.clone_from(&total.errors);
    summary.operations.clone_from(&total.operations);
    summary.messages.sent.insert("chat".to_owned(), total.sent);
    summary.messages.received.insert("chat".to_owned(), total.received);
    let sockets = Connections {
        joined: total.joined,
        attempts: total.joined + 9_700,
        disconnects: total.disconnects.clone(),
        ..Connections::default()
    };
    summary.connections.insert("plenary".to_owned(), sockets);
    let achieved = total.sent as f64 / 28_560.0;
    let chat = Rate { set: 40.0, achieved, carried_out: total.sent, dropped: total.dropped.clone() };
    summary.rates.insert("chat".to_owned(), chat);
    let times = durations(&total);
    summary.judged_seconds.insert("intended".to_owned(), times.clone());
    summary.delivery_seconds.insert("intended".to_owned(), times);
    let lost = total.deliveries.lost;
    let room = |name: &str, lost: u64| {
        json!({"room": name, "expected": lost + 1_440_000, "on_time": 1_440_000, "late": 0, "lost": lost,
               "excused": 0, "outstanding": 0, "leaked": 0})
    };
    let worst = json!({"count": 40, "worst": [room("event-17", 212), room("event-3", 96), room("event-30", 41)]});
    summary.rooms = serde_json::from_value(worst).ok();
    let group = json!({"first": "2026-11-27T01:30:02Z", "last": "2026-11-27T01:30:09Z", "deliveries": lost - 994,
        "messages": 8, "remote_messages": 0, "unread_messages": 2, "receivers": 50,
        "receiver_names": ["loadtest850", "loadtest851"], "sender_names": ["loadtest861"], "markers": []});
    summary.loss_groups.largest = vec![serde_json::from_value(group).expect("a group")];
    summary.drift = drift::changes(&timeline, &[]);
    summary.timeline = Some(timeline);
    summary.verdict = judge(&summary, &End::Settled);
    summary
}

/// The same with markup wherever a text of a server, a user or a person can be.
#[allow(dead_code, reason = "tests that include this file need not use it")]
pub fn hostile() -> Summary {
    const MARKUP: &str = "</script><img src=x onerror=alert(1)><script>alert(2)</script>\u{2028}'\"&amp;";
    let mut summary = night();
    summary.run.plenary = MARKUP.to_owned();
    summary.run.id = MARKUP.to_owned();
    summary.run.started = MARKUP.to_owned();
    summary.verdict.reason += MARKUP;
    if let Some(row) = summary.verdict.thresholds.first_mut() {
        row.name = MARKUP.to_owned();
    }
    for room in summary.rooms.iter_mut().flat_map(|rooms| &mut rooms.worst) {
        room.room = MARKUP.to_owned();
    }
    for group in &mut summary.loss_groups.largest {
        group.receiver_names = vec![MARKUP.to_owned(), "https://example.invalid/x.png".to_owned()];
    }
    summary.errors.insert(MARKUP.to_owned(), BTreeMap::from([(MARKUP.to_owned(), 7)]));
    summary.operations.insert(MARKUP.to_owned(), 7);
    if let Some(timeline) = &mut summary.timeline {
        for slice in &mut timeline.slices {
            slice.errors.insert(MARKUP.to_owned(), BTreeMap::from([(MARKUP.to_owned(), 7)]));
            slice.watched.insert(MARKUP.to_owned(), Watched { sum: 1.0, samples: 1 });
        }
        for recovery in &mut summary.recoveries {
            recovery.what = MARKUP.to_owned();
        }
        for one in summary.marked.iter_mut().flat_map(|marked| &mut marked.each) {
            one.what = MARKUP.to_owned();
        }
        for event in &mut timeline.events {
            (event.kind, event.text) = (MARKUP.to_owned(), MARKUP.to_owned());
        }
    }
    summary
}
