use super::*;
use crate::report::timeline::made::{BEGIN, Made, event};

fn change_of(changes: &Changes, name: &str) -> FigureChange {
    changes.figures.iter().find(|figure| figure.name == name).unwrap().clone()
}

#[test]
fn every_figure_of_a_slice_has_a_value() {
    let slice = Made::flat(1).timeline().slices[7].clone();
    for figure in Figure::BUILT_IN {
        assert!(figure.value(&slice).is_some(), "{figure:?}");
        assert_eq!(Figure::named(figure.name()), figure);
        assert_eq!(figure.value(&Slice::default()), None, "{figure:?} of nothing");
    }
    let memory = Figure::named("memory");
    assert_eq!((&memory, memory.value(&Slice::default())), (&Figure::Watched("memory".to_owned()), None));
    assert!((memory.value(&slice).unwrap() / 5e8 - 1.0).abs() < 0.1);
}

#[test]
fn what_a_server_slows_down_by_is_found_within_its_interval() {
    let timeline = Made { slices: 240, drift: 0.1, ..Made::flat(3) }.timeline();
    let found = changes(&timeline, &[]).unwrap();
    assert_eq!((found.from, found.to, found.slices), (BEGIN, BEGIN + 240 * 60, 240));
    for name in ["p50", "p99", "memory"] {
        let figure = change_of(&found, name);
        assert_eq!(figure.change, ChangeKind::Slope, "{figure:?}");
        let relative = figure.relative_per_hour.unwrap();
        assert!((relative.low.unwrap()..=relative.high.unwrap()).contains(&0.1), "{figure:?}");
        assert_eq!(of(longest_stretch(&timeline, &[]), 60, &Figure::named(name)).unwrap()[0], relative.value);
    }
    for name in ["late", "users_held", "rate"] {
        assert_eq!(change_of(&found, name).change, ChangeKind::None);
    }
}

#[test]
fn a_step_has_a_time() {
    let found = changes(&Made { slices: 240, step: 1.3, ..Made::flat(4) }.timeline(), &[]).unwrap();
    let memory = change_of(&found, "memory");
    assert_eq!(memory.change, ChangeKind::Step, "{memory:?}");
    assert_eq!(memory.step.unwrap().at, BEGIN + 7_200);
}

#[test]
fn of_100_flat_runs_at_most_7_percent_show_a_change_in_any_figure() {
    let shown = |seed: &u64| {
        let found = changes(&Made { slices: 60, ..Made::flat(*seed) }.timeline(), &[]).unwrap();
        found.figures.iter().any(|figure| figure.change != ChangeKind::None)
    };
    let shown = (0..100).filter(shown).count();
    assert!(shown <= 7, "{shown} of 100");
}

#[test]
fn restarts_control_events_gaps_and_the_ramp_end_a_stretch() {
    let mut timeline = Made::flat(5).timeline();
    let stretch = |timeline: &Timeline| {
        let found = longest_stretch(timeline, &[]);
        (found.first().map_or(0, |slice| (slice.start - BEGIN) / 60), found.len())
    };
    assert_eq!(stretch(&timeline), (0, 120));
    timeline.slices[0].hold_seconds = 20.0;
    timeline.slices[119].hold_seconds = 0.0;
    assert_eq!(stretch(&timeline), (1, 118));
    timeline.note(event("phase", 50.0));
    assert_eq!(stretch(&timeline), (1, 118));
    timeline.note(event("restart", 80.5));
    assert_eq!(stretch(&timeline), (1, 79));
    timeline.note(event("control", 20.0));
    assert_eq!(stretch(&timeline), (21, 59));
    timeline.slices.remove(40);
    assert_eq!(stretch(&timeline), (41, 39));
    assert_eq!(changes(&timeline, &[]).unwrap().slices, 39);
    timeline.note(event("control", 60.0));
    timeline.note(event("control", 100.0));
    assert_eq!((stretch(&timeline), changes(&timeline, &[])), ((1, 19), None));
}

#[test]
fn slices_of_tolerated_disruptions_are_not_used() {
    let timeline = Made::flat(5).timeline();
    let minute = |n: u64| (BEGIN + n * 60) as f64;
    let stretch = |aside: &[(f64, f64)]| {
        let found = longest_stretch(&timeline, aside);
        (found.first().map_or(0, |slice| (slice.start - BEGIN) / 60), found.len())
    };
    assert_eq!(stretch(&[(minute(50) + 30.0, minute(52) + 1.0)]), (53, 67));
    assert_eq!(stretch(&[(minute(100), f64::INFINITY)]), (0, 100));
    assert_eq!(changes(&timeline, &[(minute(20), minute(100))]), None, "fewer than 30 slices are left");
}

#[test]
fn nothing_and_odd_numbers_are_not_drift() {
    assert_eq!(changes(&Timeline::default(), &[]), None);
    let mut timeline = Made { slices: 40, ..Made::flat(6) }.timeline();
    for slice in &mut timeline.slices {
        slice.watched.get_mut("memory").unwrap().sum = f64::INFINITY;
        slice.hold_seconds = f64::MAX;
        slice.users.target = f64::NAN;
    }
    let found = changes(&timeline, &[]).unwrap();
    assert!(found.figures.iter().all(|figure| figure.name != "memory"));
    let json = serde_json::to_string(&found).unwrap();
    assert_eq!(serde_json::from_str::<Changes>(&json).unwrap(), found);
    timeline.slice_seconds = 0;
    assert_eq!(changes(&timeline, &[]), None);
}

#[test]
fn blocks_are_ten_minutes() {
    assert_eq!([1, 60, 120, 240, 3_600].map(block), [10, 10, 5, 3, 1]);
}
