use super::*;
use crate::report::inputs::tests::night;
use crate::report::summary::{Deliveries, Judgement};
use crate::report::timeline::{Slice, Timeline, TimelineEvent, UserSeconds};
use crate::stats::Sketch;

/// This many minutes of `night`, which started at 10:00:00 UTC; the fourth minute loses 7 deliveries.
fn with_timeline(minutes: u64) -> Summary {
    let mut summary = night();
    let began = 1_793_872_800;
    let mut timeline = Timeline::default();
    for minute in 0..minutes {
        let lost = if minute == 3 { 7 } else { 0 };
        let mut sketch = Sketch::default();
        sketch.add(0.05, 100);
        let users = UserSeconds { target: 12_000.0, connected: 11_880.0, away: 120.0 };
        let deliveries = Deliveries { expected: 100 + lost, on_time: 100, lost, ..Deliveries::default() };
        let slice = Slice { start: began + minute * 60, hold_seconds: 60.0, users, deliveries, ..Slice::default() };
        timeline.add(&Slice { times: sketch.into(), ..slice });
    }
    summary.run.started = "2026-11-05T10:00:00Z".into();
    summary.run.duration_seconds = minutes as f64 * 60.0;
    summary.timeline = Some(timeline);
    summary
}

fn chart<'a>(view: &'a View, id: &str) -> &'a view::Chart {
    view.timeline.as_ref().unwrap().charts.iter().find(|chart| chart.id == id).unwrap()
}

#[test]
fn a_failed_threshold_is_first_and_says_when_it_was_worst() {
    let mut summary = with_timeline(10);
    let lost = summary.verdict.thresholds.iter_mut().find(|row| row.name == "lost").unwrap();
    (lost.result, lost.value) = (Judgement::Failed, Some(7.0));
    let view = view(&summary);
    assert_eq!((view.thresholds[0].name.as_str(), view.thresholds[0].result), ("lost", "failed"));
    let worst = view.thresholds[0].worst.as_ref().unwrap();
    assert_eq!((worst.text.as_str(), worst.to.unwrap() - worst.from.unwrap()), ("7", 60.0));
    assert!(view.story.iter().any(|moment| moment.text.starts_with("7 deliveries") && moment.from == worst.from));
}

#[test]
fn commands_are_told_once_and_in_order() {
    let mut summary = with_timeline(10);
    let timeline = summary.timeline.as_mut().unwrap();
    let began = 1_793_872_800.0;
    let events = [(60.0, "control", "pause"), (90.0, "control", "resume"), (120.0, "mark_begin", "a deploy")];
    for (shard, (after, kind, text)) in [0, 1].into_iter().flat_map(|shard| events.map(|event| (shard, event))) {
        let at = began + after + f64::from(shard);
        timeline.events.push(TimelineEvent { at, kind: kind.into(), text: text.into(), shard: Some(shard) });
    }
    let story = view(&summary).story;
    let told: Vec<&str> = story.iter().map(|moment| moment.text.as_str()).filter(|text| text.contains(':')).collect();
    assert_eq!(told, ["Command: pause.", "Command: resume.", "Planned disruption: a deploy."]);
}

#[test]
fn columns_of_charts_and_tables_sum_to_the_same() {
    let view = view(&with_timeline(300));
    let lost = &chart(&view, "missed").series[0];
    let sum = |values: &[Option<f64>]| values.iter().flatten().sum::<f64>();
    assert_eq!((sum(&lost.values), sum(&lost.table)), (7.0, 7.0));
    assert!(lost.table.len() <= 96 && lost.values.len() == 300);
    let users = &chart(&view, "users").series[1];
    assert!(users.values.iter().chain(&users.table).all(|mean| *mean == Some(198.0)), "{users:?}");
}

#[test]
fn a_minute_without_a_slice_is_a_gap() {
    let mut summary = with_timeline(10);
    summary.timeline.as_mut().unwrap().slices.remove(5);
    let view = view(&summary);
    let users = &chart(&view, "users").series[1];
    assert_eq!(users.values.iter().filter(|mean| mean.is_none()).count(), 1);
    assert_eq!(users.values[5], None);
}

#[test]
fn a_quiet_run_says_that_nothing_stands_out() {
    let mut summary = with_timeline(60);
    summary.timeline.as_mut().unwrap().slices[3].deliveries.lost = 0;
    let [moment] = &view(&summary).story[..] else { panic!("one sentence") };
    assert!(moment.text.starts_with("Nothing stands out"), "{}", moment.text);
}

#[test]
fn a_summary_of_0_1_gives_a_page_without_charts() {
    let summary = night();
    assert!(view(&summary).timeline.is_none());
    assert!(report(&summary).contains("\"timeline\":null"));
}

#[test]
fn odd_times_and_lengths_are_shown_as_well_as_they_can_be() {
    let mut summary = with_timeline(3);
    summary.run.started = "yesterday".into();
    summary.run.duration_seconds = f64::INFINITY;
    let timeline = summary.timeline.as_mut().unwrap();
    timeline.slice_seconds = 0;
    timeline.slices[2].start = u64::MAX;
    timeline.slices[1].users.connected = f64::NAN;
    timeline.events =
        vec![TimelineEvent { at: f64::INFINITY, kind: String::new(), text: "x".repeat(9_000), shard: Some(1) }];
    let page = report(&summary);
    assert!(page.len() < 200_000, "{}", page.len());
    summary.timeline.as_mut().unwrap().slice_seconds = u64::MAX;
    assert!(!report(&summary).is_empty());
}
