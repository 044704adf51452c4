use super::*;
use crate::report::summary::Deliveries;
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
fn damaged_times_are_refused() {
    let read = |json: &str| serde_json::from_str::<Times>(json);
    assert!(read(r#"{"from":-20,"counts":[1,0,3]}"#).is_ok());
    assert!(read(&format!(r#"{{"from":0,"counts":{:?}}}"#, [1; 1_025])).is_err());
    assert!(read(r#"{"from":32767,"counts":[1,1]}"#).is_err());
    let huge = read(&format!(r#"{{"from":0,"counts":[{0},{0}]}}"#, u64::MAX)).unwrap();
    assert_eq!(huge.sketch().count(), u64::MAX);
}

#[test]
fn events_are_in_order_and_bounded() {
    let mut timeline = Timeline::default();
    let event = |at| TimelineEvent { at, kind: "control".to_owned(), text: String::new(), shard: None };
    [3.0, 1.0, 2.0].map(|at| timeline.note(event(at)));
    assert_eq!(timeline.events.iter().map(|event| event.at).collect::<Vec<_>>(), [1.0, 2.0, 3.0]);
    (0..MOST_EVENTS).for_each(|_| timeline.note(event(4.0)));
    assert_eq!((timeline.events.len(), timeline.events_dropped), (MOST_EVENTS, 3));
}
