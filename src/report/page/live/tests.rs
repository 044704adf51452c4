use serde_json::Value;

use super::*;
use crate::report::disruptions::Disruption;
use crate::report::inputs::tests::night;
use crate::report::marked::Marked;
use crate::report::recoveries::RecoverySeconds;
use crate::report::status::tests::holding;
use crate::report::summary::Deliveries;
use crate::report::timeline::UserSeconds;

const NOW: u64 = 1_793_880_000;

/// The five seconds that ended so long ago, with so many users of 200 and so many losses.
fn cell(ago: u64, connected: f64, lost: u64) -> Slice {
    let users = UserSeconds { target: 1_000.0, connected: connected * 5.0, away: 0.0 };
    let deliveries = Deliveries { expected: 1_000, on_time: 1_000 - lost, lost, ..Deliveries::default() };
    Slice { start: NOW - ago - 5, hold_seconds: 5.0, users, deliveries, ..Slice::default() }
}

fn status(saturated: bool) -> Status {
    Status { saturated, ..holding() }
}

struct Shown<'a> {
    cells: &'a [Slice],
    planned: &'a [(f64, f64)],
    tolerated: bool,
    saturated: bool,
}

fn shown(what: &Shown<'_>) -> Value {
    let (mut summary, whole) = (night(), Timeline::default());
    summary.marked = Some(Marked { tolerated: what.tolerated, ..Marked::default() });
    let (cells, planned) = (what.cells, what.planned);
    let drawn = drawn(&Past {
        summary: &summary,
        whole: &whole,
        cells,
        cell_seconds: 5,
        from: NOW - 360,
        fixed_until: NOW - 300,
        now: NOW,
        ended: false,
        planned,
        tolerated: what.tolerated,
    });
    let open = planned.iter().find(|(_, to)| to.is_infinite()).map(|(from, _)| ("deploy <b>", *from));
    let status = status(what.saturated);
    let present =
        Present { summary: &summary, status: Some(&status), recoveries: &[], planned: open, now: NOW, ended: false };
    serde_json::from_str(&data(&present, &drawn)).unwrap()
}

fn title(what: &Shown<'_>) -> String {
    let shown = shown(what);
    format!("{} | {}", shown["headline"]["title"].as_str().unwrap(), shown["headline"]["reason"].as_str().unwrap())
}

fn cells(of: impl Fn(u64) -> Slice) -> Vec<Slice> {
    (0..60).rev().map(|n| of(n * 5)).collect()
}

#[test]
fn a_planned_disruption_takes_the_place_of_what_is_wrong_where_it_is_tolerated() {
    let since = |ago: u64| (NOW - ago) as f64;
    // Well until 20 s ago, when it began.
    let bad = cells(|ago| if ago < 20 { cell(ago, 90.0, 7) } else { cell(ago, 200.0, 0) });
    let open = [(since(20), f64::INFINITY)];
    let of = |cells, planned, tolerated| title(&Shown { cells, planned, tolerated, saturated: false });
    let tolerated = of(&bad, &open, true);
    assert!(
        tolerated.starts_with("Planned disruption: deploy <b> since 11:59 | No threshold counts it. Lately"),
        "{tolerated}"
    );
    assert!(tolerated.contains("28 deliveries were lost"), "{tolerated}");
    // A dent before it, which weighs more the less of the last minute is judged, does not take its place.
    let dented = cells(|ago| if ago < 35 { cell(ago, 90.0, 0) } else { cell(ago, 200.0, 0) });
    assert!(
        of(&dented, &open, true).starts_with("Planned disruption: deploy <b> since"),
        "{}",
        of(&dented, &open, true)
    );
    let judged = of(&bad, &open, false);
    assert!(judged.starts_with("Not healthy since") && judged.contains("deploy <b> since 11:59"), "{judged}");
    let none = of(&bad, &[], true);
    assert!(none.starts_with("Not healthy since") && !none.contains("deploy"), "{none}");
    let well = cells(|ago| cell(ago, 200.0, 0));
    let well = of(&well, &open, true);
    assert!(
        well.starts_with("Healthy since") && well.contains("Planned disruption: deploy <b> since 11:59."),
        "{well}"
    );
    let both = title(&Shown { cells: &bad, planned: &open, tolerated: true, saturated: true });
    assert!(both.starts_with("Not healthy") && both.contains("cannot keep up"), "{both}");
}

#[test]
fn what_happened_in_a_tolerated_disruption_is_forgotten_with_its_end() {
    let over = [((NOW - 40) as f64, (NOW - 10) as f64)];
    let of = |cells: &[Slice], tolerated| title(&Shown { cells, planned: &over, tolerated, saturated: false });
    let bad = cells(|ago| if (10..40).contains(&ago) { cell(ago, 90.0, 7) } else { cell(ago, 200.0, 0) });
    assert!(of(&bad, true).starts_with("Healthy since 2026-"), "{}", of(&bad, true));
    assert!(of(&bad, false).starts_with("Not healthy since"), "{}", of(&bad, false));
    // Who is not back by the end is missed.
    let gone = cells(|ago| if ago < 40 { cell(ago, 90.0, 0) } else { cell(ago, 200.0, 0) });
    let gone_still = of(&gone, true);
    assert!(gone_still.starts_with("Not healthy since"), "{gone_still}");
    // What was lost before it began is not excused by it.
    let before = cells(|ago| if (40..50).contains(&ago) { cell(ago, 200.0, 7) } else { cell(ago, 200.0, 0) });
    assert!(of(&before, true).contains("14 deliveries were lost"), "{}", of(&before, true));
}

#[test]
fn the_page_has_the_marks_and_the_curves_and_says_how_long_a_cell_is() {
    let cells = cells(|ago| cell(ago, 200.0, 0));
    let planned = [((NOW - 40) as f64, f64::INFINITY)];
    let shown = shown(&Shown { cells: &cells, planned: &planned, tolerated: true, saturated: false });
    let timeline = &shown["timeline"];
    assert_eq!(timeline["planned"][0], serde_json::json!([(NOW - 40) as f64, NOW as f64]));
    let note = timeline["charts"][0]["note"].as_str().unwrap();
    assert_eq!(note, "Mean of each 5 seconds in the last 5 minutes, of each minute before.");
    assert_eq!(timeline["times"].as_array().unwrap().len(), 60);
}

#[test]
fn texts_with_addresses_are_left_out() {
    let seconds = RecoverySeconds { all: Some(2.0), ..RecoverySeconds::default() };
    let text = "deploy of https://chat.example/x".to_owned();
    let recovery =
        RecoveryFigures { what: text.clone(), at: 60.0, held: 2, users: 2, back: 2, seconds, curve: vec![0, 2] };
    let mut summary = night();
    let each = vec![Disruption { what: text, at: 60.0, ..Disruption::default() }];
    summary.marked = Some(Marked { each, ..Marked::default() });
    let (whole, status) = (Timeline::default(), status(false));
    let past = Past {
        summary: &summary,
        whole: &whole,
        cells: &[],
        cell_seconds: 5,
        from: 0,
        fixed_until: 0,
        now: NOW,
        ended: false,
        planned: &[],
        tolerated: false,
    };
    let planned = Some((summary.marked.as_ref().unwrap().each[0].what.as_str(), 60.0));
    let present =
        Present { summary: &summary, status: Some(&status), recoveries: &[recovery], planned, now: NOW, ended: false };
    let json = data(&present, &drawn(&past));
    assert!(!json.contains("chat.example"), "{json}");
    let shown: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(shown["recovered"]["table"]["rows"][0][0], ELSEWHERE);
    assert_eq!(shown["planned"]["rows"][0][0], ELSEWHERE);
    assert_eq!(shown["timeline"], Value::Null);
}
