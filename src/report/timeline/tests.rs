use std::collections::BTreeMap;

use super::*;
use crate::report::summary::{Anomalies, CountsByLabel, Deliveries, Excused};
use crate::stats::Sketch;

fn slice(start: u64, expected: u64) -> Slice {
    let mut sketch = Sketch::default();
    sketch.add(0.05, expected);
    sketch.add(40.0, 1);
    Slice {
        start,
        hold_seconds: 5.0,
        sent: 1,
        deliveries: Deliveries { expected, on_time: expected, ..Deliveries::default() },
        times: sketch.into(),
        generator: GeneratorSlice { cpu_seconds: 1.0, memory_bytes: start },
        ..Slice::default()
    }
}

/// A slice with every field set, of a run with many users and failures of five stages.
pub(crate) fn full(start: u64) -> Slice {
    let n = start / 60;
    let counts =
        |labels: &[&str]| labels.iter().map(|label| ((*label).to_owned(), 1_000 + n)).collect::<CountsByLabel>();
    let groups = |labels: &[(&str, &[&str])]| {
        labels.iter().map(|(group, kinds)| ((*group).to_owned(), counts(kinds))).collect::<BTreeMap<_, _>>()
    };
    let mut sketch = Sketch::default();
    (0..60).for_each(|i| sketch.add(0.002 * 1.0408_f64.powi(i), 10_000 + n * 7 % 977));
    let excused = Excused { total: 150 + n, left: 50 + n, server: 40, network: 30, sender_cut: 20, refused: 10 };
    let deliveries = Deliveries {
        expected: 1_200_000 + n,
        on_time: 1_199_000,
        late: 700,
        lost: 150,
        excused,
        outstanding: 12,
        raced: 31,
    };
    let anomalies = Anomalies { duplicate: 12, reordered: 34, unexpected: 56, corrupt: 78 };
    let watched = |value| Watched { sum: value * (n as f64 + 0.123_456_7), samples: 4 };
    Slice {
        start,
        hold_seconds: 59.998_765_432,
        users: UserSeconds { target: 600_000.123_456, connected: 599_123.456_789, away: 321.987_654 },
        sent: 1_200,
        received: 2_400_000 + n,
        dropped: counts(&["backpressure", "not_connected"]),
        deliveries: deliveries.clone(),
        anomalies,
        remote: RemoteSlice { deliveries, anomalies },
        times: sketch.into(),
        operations: counts(&["signup", "login", "room", "connect", "send"]),
        errors: groups(&[
            ("signup", &["timeout", "refused"]),
            ("login", &["timeout"]),
            ("room", &["status"]),
            ("connect", &["refused", "timeout"]),
            ("send", &["timeout"]),
        ]),
        joined: 120,
        disconnects: groups(&[("user", &["left"]), ("server", &["closed"]), ("network", &["reset", "silence"])]),
        spoilt_seconds: 1.234_567_89,
        generator: GeneratorSlice { cpu_seconds: 34.567_891, memory_bytes: 412_345_678 },
        watched: [("memory", 1e8), ("queue", 3.0), ("sessions", 5_000.0)]
            .map(|(name, value)| (name.to_owned(), watched(value)))
            .into(),
    }
}

/// `slices` full slices from ten o'clock on, and the maximum number of events.
pub(crate) fn full_timeline(slices: u64) -> Timeline {
    let mut timeline = of((0..slices).map(|minute| full(1_793_872_800 + minute * 60)));
    for n in 0..MOST_EVENTS as u32 {
        let (at, kind, text) = (1_793_872_800.0 + f64::from(n), "control".to_owned(), "rate chat=50/s".to_owned());
        timeline.note(TimelineEvent { at, kind, text, shard: Some(0) });
    }
    timeline
}

fn of(parts: impl IntoIterator<Item = Slice>) -> Timeline {
    let mut timeline = Timeline::default();
    parts.into_iter().for_each(|part| timeline.add(&part));
    timeline
}

#[test]
fn parts_go_to_the_minute_they_are_in() {
    let timeline = of([slice(120, 3), slice(175, 4), slice(180, 5), slice(60, 1)]);
    let kept: Vec<_> = timeline.slices.iter().map(|slice| (slice.start, slice.deliveries.expected)).collect();
    assert_eq!(kept, [(60, 1), (120, 7), (180, 5)]);
}

#[test]
fn a_long_run_is_joined_pairwise_and_its_sums_stay() {
    let parts: Vec<Slice> = (0..5_000).map(|minute| slice(minute * 60, minute)).collect();
    let mut total = slice(0, 0);
    parts.iter().skip(1).for_each(|part| total += part);
    let timeline = of(parts);
    assert!(timeline.slices.len() <= MOST_SLICES);
    assert_eq!(timeline.slice_seconds, 240);
    assert!(timeline.slices.iter().all(|slice| slice.start % 240 == 0));
    assert_eq!(timeline.total(), total);
}

#[test]
fn generators_add_up_whatever_the_length_of_their_slices() {
    let long = of((0..2_000).map(|minute| slice(minute * 60, 1)));
    let short = of([slice(60, 10), slice(240, 20)]);
    let mut merged = long.clone();
    merged.merge(&short);
    let mut reversed = short.clone();
    reversed.merge(&long);
    assert_eq!((merged.slice_seconds, &merged.slices), (120, &reversed.slices));
    assert_eq!(merged.total().deliveries.expected, 2_030);
    assert_eq!(merged.slices[0].deliveries.expected, 12);
    assert!((merged.slices[0].hold_seconds - 10.0).abs() < 1e-9, "two generators hold beside each other");
}

#[test]
fn json_gives_back_what_was_written() {
    let mut timeline = of([slice(60, 10), slice(240, 20)]);
    timeline.note(TimelineEvent { at: 61.5, kind: "dns".to_owned(), text: "moved".to_owned(), shard: Some(0) });
    let json = serde_json::to_string(&timeline).unwrap();
    assert_eq!(serde_json::from_str::<Timeline>(&json).unwrap(), timeline);
    assert!(!json.contains("remote"), "what is zero is left out: {json}");
}

#[test]
fn each_slice_is_a_line_of_a_page_that_is_laid_out() {
    let timeline = of([slice(60, 10), slice(240, 20)]);
    let page = serde_json::to_string_pretty(&timeline).unwrap();
    assert_eq!(page.lines().filter(|line| line.contains("\"start\":")).count(), 2, "{page}");
    assert_eq!(page.lines().count(), 7, "{page}");
}

#[test]
fn damaged_times_are_refused() {
    let read = |json: &str| serde_json::from_str::<Times>(json);
    assert!(read(r#"{"from":-20,"counts":[1,0,3]}"#).is_ok());
    assert!(read(&format!(r#"{{"from":0,"counts":{:?}}}"#, [1; 1_025])).is_err());
    assert!(read(r#"{"from":32767,"counts":[1,1]}"#).is_err());
    let huge = read(&format!(r#"{{"from":0,"counts":[{0},{0}]}}"#, u64::MAX)).unwrap();
    assert_eq!(huge.sketch().count(), u64::MAX);
}

#[test]
fn a_timeline_that_cannot_have_been_recorded_is_refused() {
    let read = |json: &str| serde_json::from_str::<Timeline>(json).map_err(|error| error.to_string());
    let slices =
        |starts: &[u64]| serde_json::to_string(&starts.iter().map(|s| slice(*s, 1)).collect::<Vec<_>>()).unwrap();
    let of =
        |seconds: u64, starts: &[u64]| read(&format!(r#"{{"slice_seconds":{seconds},"slices":{}}}"#, slices(starts)));
    assert!(of(120, &[0, 120, 480]).is_ok());
    for seconds in [0, u64::MAX] {
        assert!(of(seconds, &[]).unwrap_err().contains("between a second and a year"), "{seconds}");
    }
    assert!(of(120, &[60]).unwrap_err().contains("cannot begin at 60"));
    assert!(of(60, &[120, 60]).unwrap_err().contains("not in order"));
    assert!(of(60, &[60, 60]).unwrap_err().contains("not in order"));
    let many: Vec<u64> = (0..=MOST_SLICES as u64).map(|n| n * 60).collect();
    assert!(of(60, &many).unwrap_err().contains("at most 1440"));
}

#[test]
fn events_are_in_order_and_bounded() {
    let mut timeline = Timeline::default();
    let event = |at| TimelineEvent { at, kind: "control".to_owned(), text: String::new(), shard: None };
    for at in [3.0, 1.0, 2.0] {
        timeline.note(event(at));
    }
    assert_eq!(timeline.events.iter().map(|event| event.at).collect::<Vec<_>>(), [1.0, 2.0, 3.0]);
    (0..MOST_EVENTS).for_each(|_| timeline.note(event(4.0)));
    assert_eq!((timeline.events.len(), timeline.events_dropped), (MOST_EVENTS, 3));
}
