use super::*;
use crate::metrics::ProcessFigures;
use crate::metrics::totals::Totals;
use crate::model::{DeliveryCounts, Outcome, SentKind};

/// Ten o'clock, and a quarter of a second.
const WALL: u64 = 36_000_250_000;

const USERS: UserSeconds = UserSeconds { target: 10.0, connected: 7.0, away: 2.0 };

fn at(seconds: f64) -> Stamp {
    Stamp::default().plus(Duration::from_secs_f64(seconds))
}

fn look(recording: &mut Recording, seconds: f64, hold: Hold) {
    recording.look(at(seconds), WALL + (seconds * 1e6) as u64, USERS, hold);
}

fn sent(chats: u64) -> Counters {
    Counters::of(&Totals { sent: vec![(SentKind::Chat, chats)], ..Totals::default() }, &ProcessFigures::default())
}

fn cells<T>(recording: &Recording, of: impl Fn(&Slice) -> T) -> Vec<(u64, T)> {
    recording.cells.iter().map(|cell| (cell.slice.start - 36_000, of(&cell.slice))).collect()
}

fn ledger_cell(start: u64, expected: u64, on_time: u64) -> ledger::Cell {
    let mut local = DeliveryCounts { expected, outstanding: expected - on_time, ..DeliveryCounts::default() };
    local.outcomes[Outcome::OnTime as usize] = on_time;
    let mut times = crate::stats::Sketch::default();
    times.add(0.1, on_time);
    ledger::Cell { start: 36_000 + start, counts: [local, DeliveryCounts::default()], times }
}

fn begun() -> Recording {
    let mut recording = Recording::default();
    recording.begin(at(0.0));
    recording
}

#[test]
fn user_seconds_sum_to_the_time_that_passed_whenever_one_looks() {
    let mut recording = begun();
    let hold = Hold { from: Some(at(3.0)), to: Some(at(12.0)) };
    for seconds in [0.3, 1.0, 4.0, 4.5, 11.75, 13.0, 13.0] {
        look(&mut recording, seconds, hold);
    }
    let target: Vec<(u64, f64)> = cells(&recording, |slice| slice.users.target / 10.0);
    assert_eq!(target, [(0, 4.75), (5, 5.0), (10, 3.25)]);
    let total = recording.timeline().total();
    assert!((total.users.connected - 91.0).abs() < 1e-9 && (total.users.away - 26.0).abs() < 1e-9, "{total:?}");
    assert!((total.hold_seconds - 9.0).abs() < 1e-9, "{total:?}");
}

#[test]
fn user_seconds_of_planned_disruptions_are_those_of_the_hold_from_look_to_look() {
    let mut recording = begun();
    let hold = Hold { from: Some(at(3.0)), to: None };
    for (seconds, goes_on) in [(1.0, true), (4.5, false), (6.0, true), (6.0, true), (8.0, false), (9.0, false)] {
        look(&mut recording, seconds, hold);
        recording.mark(goes_on);
    }
    let (all, marked) = (recording.user_seconds(), recording.marked_user_seconds());
    assert!((all.target - 60.0).abs() < 1e-9 && (marked.target - 35.0).abs() < 1e-9, "{all:?} {marked:?}");
    assert!((marked.connected - 24.5).abs() < 1e-9 && (marked.away - 7.0).abs() < 1e-9, "{marked:?}");
}

#[test]
fn time_before_the_start_counts_for_nothing() {
    let mut recording = Recording::default();
    look(&mut recording, 1.0, Hold::default());
    assert_eq!(recording.timeline().total(), Slice::default());
    recording.begin(at(2.0));
    look(&mut recording, 1.5, Hold::default());
    look(&mut recording, 2.5, Hold::default());
    assert!((recording.timeline().total().users.target - 5.0).abs() < 1e-9);
}

#[test]
fn counters_read_just_after_a_cell_belong_to_it() {
    let mut recording = begun();
    for (seconds, chats) in [(4.7, 1), (4.752, 10), (9.753, 30), (40.0, 31)] {
        look(&mut recording, seconds, Hold::default());
        recording.count(sent(chats), Duration::ZERO);
    }
    let counted: Vec<_> = cells(&recording, |slice| slice.sent).into_iter().filter(|(_, n)| *n > 0).collect();
    // After a long sleep: what happened, happened after it.
    assert_eq!(counted, [(0, 10), (5, 20), (35, 1)]);
    assert_eq!(recording.timeline().total().sent, 31);
}

#[test]
fn a_spoilt_window_is_spread_over_the_cells_that_it_was() {
    let mut recording = begun();
    for seconds in 1..=13 {
        look(&mut recording, f64::from(seconds), Hold { from: Some(at(0.0)), to: None });
    }
    recording.count(Counters::default(), Duration::from_secs(7));
    assert_eq!(cells(&recording, |slice| slice.spoilt_seconds), [(0, 0.0), (5, 3.75), (10, 3.25)]);
    recording.count(Counters::default(), Duration::from_secs(100));
    assert!((recording.timeline().total().spoilt_seconds - 100.0).abs() < 1e-9, "none is left out");
}

#[test]
fn deliveries_are_as_last_read_and_counted_once() {
    let mut recording = begun();
    look(&mut recording, 11.0, Hold::default());
    let judged = |recording: &Recording| recording.cells().map(|cell| cell.judged).collect::<Vec<_>>();
    recording.deliveries(vec![], vec![ledger_cell(0, 5, 3), ledger_cell(5, 4, 4)], 36_005);
    assert_eq!(cells(&recording, |slice| slice.deliveries.on_time), [(0, 3), (5, 4), (10, 0)]);
    assert_eq!(judged(&recording), [false, false], "one is outstanding, one is young");
    recording.deliveries(vec![ledger_cell(0, 5, 5)], vec![ledger_cell(5, 4, 4)], 36_010);
    assert_eq!(judged(&recording), [true, true]);
    recording.deliveries(vec![ledger_cell(5, 4, 4)], vec![], 36_060);
    let total = recording.timeline().total();
    assert_eq!((total.deliveries.expected, total.deliveries.on_time, total.times.sketch().count()), (9, 9, 9));
    assert!((total.users.target - 110.0).abs() < 1e-9, "counters stay");
}

#[test]
fn as_many_cells_are_kept_as_were_asked_for() {
    let mut recording = begun();
    recording.keep(Duration::from_secs(300));
    for seconds in 1..2_000 {
        look(&mut recording, f64::from(seconds), Hold::default());
    }
    assert_eq!(recording.cells.len(), 60 + FEWEST_CELLS);
    let starts: Vec<u64> = recording.cells.iter().map(|cell| cell.slice.start).collect();
    assert!(starts.windows(2).all(|pair| pair[1] == pair[0] + CELL_SECONDS), "{starts:?}");
    recording.deliveries(vec![ledger_cell(0, 1, 1)], vec![], 0);
    assert_eq!(recording.timeline().total().deliveries.expected, 1, "what is too old for rules is in the slices");
}
