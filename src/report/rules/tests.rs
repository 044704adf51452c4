//! The engine against a naive recomputation, and rules from a run's cells to the table.

use std::time::Duration;

use proptest::prelude::*;

use super::cell::{Digest, Sums};
use super::figure::is_beyond;
use super::*;
use crate::model::{Rule, RuleOption, Rules};
use crate::report::end::End;
use crate::report::inputs::tests::night;
use crate::report::judgement::{At, Judgement, RuleWindows, WorstWindow};
use crate::report::summary::{Anomalies, Deliveries};
use crate::report::text::render;
use crate::report::timeline::{Slice, Timeline, UserSeconds};
use crate::report::verdict::judge;
use crate::stats::Sketch;

const CELL: Cell = Cell { seconds: 5, chats_set: 4.0, horizon: 60.0, age: 60.0, planned: false };
/// 2026-11-27T00:00:00Z.
const NIGHT: u64 = 1_795_737_600;

fn rules(fail_if: &[&str], abort_if: &[&str]) -> Rules {
    let read = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
    Rules { fail_if: read(fail_if), abort_if: read(abort_if) }
}

/// The `nth` cell of a hold in which everything is well.
fn cell(nth: u64) -> Slice {
    let mut sketch = Sketch::default();
    sketch.add(0.05, 100);
    Slice {
        start: NIGHT + 5 * nth,
        hold_seconds: 5.0,
        users: UserSeconds { target: 500.0, connected: 480.0, away: 20.0 },
        sent: 20,
        deliveries: Deliveries { expected: 100, on_time: 100, ..Deliveries::default() },
        times: sketch.into(),
        ..Slice::default()
    }
}

fn losing(nth: u64, lost: u64) -> Slice {
    let deliveries = Deliveries { expected: 100, on_time: 100 - lost, lost, ..Deliveries::default() };
    Slice { deliveries, ..cell(nth) }
}

/// A cell of a random hold.
fn random_cell() -> impl Strategy<Value = Slice> {
    let rare = |n: std::ops::Range<u64>| prop_oneof![3 => Just(0), 1 => n];
    let times = proptest::collection::vec((0.000_1..20.0_f64, 1_u64..40), 0..6);
    let gaps = prop_oneof![30 => Just((5.0, 0.0)), 1 => Just((2.0, 0.0)), 3 => Just((5.0, 0.4))];
    (rare(1..9), rare(1..50), rare(1..30), times, gaps, rare(1..30)).prop_map(
        |(lost, late, cut, times, (hold_seconds, spoilt_seconds), failed)| {
            let mut sketch = Sketch::default();
            times.iter().for_each(|(seconds, n)| sketch.add(*seconds, *n));
            let on_time = sketch.count();
            Slice {
                hold_seconds,
                spoilt_seconds,
                users: UserSeconds { target: 500.0, connected: 500.0 - 3.3 * cut as f64, away: 0.1 },
                sent: on_time / 3,
                deliveries: Deliveries { expected: on_time + lost + late, late, lost, ..Deliveries::default() },
                anomalies: Anomalies { duplicate: late / 3, reordered: lost, ..Anomalies::default() },
                times: sketch.into(),
                operations: [("connect".to_owned(), 2 * failed + cut)].into(),
                errors: [("connect".to_owned(), [("timeout".to_owned(), failed)].into())].into(),
                joined: cut / 2,
                disconnects: [("network".to_owned(), [("reset".to_owned(), cut)].into())].into(),
                ..Slice::default()
            }
        },
    )
}

/// Every window of a rule, each summed from scratch.
fn naive(cells: &[Digest], rule: &Rule) -> RuleWindows {
    let length = usize::try_from(rule.window.unwrap().as_secs() / 5).unwrap();
    let mut found = RuleWindows { rule: rule.clone(), windows: 0, judged: 0, worst: None };
    for window in cells.windows(length) {
        let broken = window.iter().any(|cell| !cell.held) || window.windows(2).any(|two| two[0].end != two[1].start);
        if broken {
            continue;
        }
        found.windows += 1;
        let mut sums = Sums::default();
        window.iter().for_each(|cell| sums.add(&cell.sums));
        let figure = sums.figure(rule, 5);
        let Some(value) = figure.value.filter(|_| figure.is_enough(rule)) else { continue };
        found.judged += 1;
        if found.worst.as_ref().is_none_or(|worst| rule.side.is_beyond(value, worst.value)) {
            let at = At::between(window[0].start, window[length - 1].end);
            found.worst = Some(WorstWindow { value, n: figure.n, at });
        }
    }
    found
}

const EVERY: [&str; 10] = [
    "p99 > 500ms over 15s",
    "p50 > 1ms over 1m",
    "lost > 3 over 10s",
    "lost > 1% over 30s",
    "late > 1% over 5s",
    "anomalies > 1% over 15s",
    "cut > 3% over 20s",
    "users_held < 95% over 15s",
    "error_rate(connect) > 2% over 1m",
    "rate(chat) < 95% over 30s",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn sliding_windows_are_those_that_are_summed_one_by_one(
        cells in proptest::collection::vec((random_cell(), prop_oneof![40 => Just(0_u64), 1 => Just(5)]), 0..80)
    ) {
        let mut start = NIGHT;
        let cells: Vec<Slice> = cells.into_iter().map(|(slice, gap)| {
            start += 5 + gap;
            Slice { start, ..slice }
        }).collect();
        let rules = rules(&EVERY, &[]);
        let mut engine = Engine::new(rules.all(), 5);
        cells.iter().for_each(|slice| engine.push(slice, CELL));
        let digests: Vec<Digest> = cells.iter().map(|slice| Digest::of(slice, CELL)).collect();
        for (found, rule) in engine.findings().iter().zip(&rules.fail_if) {
            prop_assert_eq!(found, &naive(&digests, rule));
        }
        let mut watch = Watch::new(&rules);
        for seen in 0..=cells.len() {
            let cells = cells.iter().take(seen).enumerate();
            watch.look(cells.map(|(nth, slice)| (slice, CELL, nth + 7 < seen)));
        }
        watch.look(cells.iter().map(|slice| (slice, CELL, true)));
        for found in watch.findings() {
            prop_assert_eq!(&naive(&digests, &found.rule), &found, "cells may be shown again, and judged later");
        }
    }
}

#[test]
fn a_rule_turns_when_its_window_does() {
    let rules = rules(&["lost > 0 over 10s"], &["users_held < 99% over 5s"]);
    let mut watch = Watch::new(&rules);
    let mut texts = Vec::new();
    let mut cells: Vec<Slice> = (0..4).map(cell).chain([losing(4, 3)]).chain((5..9).map(cell)).collect();
    cells[6].users.connected = 300.0;
    for seen in 1..=cells.len() {
        // Verdicts come two cells later.
        let shown = cells[..seen].iter().enumerate().map(|(nth, slice)| (slice, CELL, nth + 2 < seen));
        texts.extend(watch.look(shown).into_iter().map(|crossing| (seen, crossing.option, crossing.text)));
    }
    let said = |seen, option, text: &str| (seen, option, text.to_owned());
    assert_eq!(
        texts,
        [
            said(7, RuleOption::FailIf, "lost > 0 over 10s holds: 3 from 00:00:15 to 00:00:25"),
            said(7, RuleOption::AbortIf, "users_held < 99% over 5s holds: 64 % from 00:00:30 to 00:00:35"),
            said(8, RuleOption::AbortIf, "users_held < 99% over 5s no longer holds: 100 % from 00:00:35 to 00:00:40"),
            said(9, RuleOption::FailIf, "lost > 0 over 10s no longer holds: 0 from 00:00:25 to 00:00:35"),
        ]
    );
}

#[test]
fn a_flapping_rule_is_reported_a_bounded_number_of_times() {
    let rules = rules(&["lost > 0 over 5s"], &[]);
    let mut watch = Watch::new(&rules);
    let cells: Vec<Slice> = (0..400).map(|nth| losing(nth, nth % 2)).collect();
    assert_eq!(watch.look(cells.iter().map(|slice| (slice, CELL, true))).len(), 50);
    assert_eq!(watch.findings()[0].windows, 400);
}

#[test]
fn the_table_has_a_line_for_each_rule() {
    let mut summary = night();
    summary.rules = rules(
        &["p99 > 500ms", "lost > 0 over 10s", "users_held < 99.9%", "rate(chat) < 95% over 30s", "cut > 3% over 1h"],
        &["late > 1% over 5s", "lost > 100"],
    );
    let mut watch = Watch::new(&summary.rules);
    let cells: Vec<Slice> = (0..6).map(cell).chain([losing(6, 2)]).chain((7..12).map(cell)).collect();
    watch.look(cells.iter().map(|slice| (slice, CELL, true)));
    summary.windows = watch.findings();
    summary.user_seconds = Some(UserSeconds { target: 1_000.0, connected: 998.0, away: 0.9 });
    summary.verdict = judge(&summary, &End::Settled);
    assert_eq!(summary.verdict.code, 99);
    insta::assert_snapshot!(render(&summary).split("\n\n").take(4).collect::<Vec<_>>().join("\n\n"));
    let table = &summary.verdict.thresholds;
    let row = |name: &str| table.iter().find(|row| row.name == name).unwrap();
    let lost = row("lost > 0 over 10s");
    assert_eq!((lost.value, lost.n, lost.result), (Some(2.0), 200, Judgement::Failed));
    assert_eq!(lost.at, Some(At::between(NIGHT + 25, NIGHT + 35)));
    assert_eq!(row("cut > 3% over 1h").why.as_deref(), Some("the hold was shorter"));
    assert_eq!(row("cut > 3% over 1h").result, Judgement::NotJudged);
    assert!(row("users_held < 99.9%").below);
}

#[test]
fn what_ended_a_run_fails_it_even_if_it_is_over() {
    let mut summary = night();
    summary.rules = rules(&[], &["error_rate(connect) > 2%"]);
    let passed = judge(&summary, &End::Settled);
    assert_eq!(passed.code, 0, "{}", passed.reason);
    summary.ended_by = vec![crate::report::judgement::EndedBy {
        rule: summary.rules.abort_if[0].clone(),
        at: "2026-11-27T03:12:05Z".to_owned(),
        value: 0.25,
        n: 40,
        shard: 0,
    }];
    summary.judged.as_mut().unwrap().deliveries.lost = 1;
    let failed = judge(&summary, &End::Settled);
    assert_eq!(failed.code, 99);
    let first = "Failed: --abort-if error_rate(connect) > 2% ended the run at 2026-11-27T03:12:05Z, at 25 %; 1 of ";
    assert!(failed.reason.starts_with(first), "{}", failed.reason);
}

#[test]
fn generators_together_may_be_worse_than_each_alone() {
    let mut whole = night();
    whole.rules = rules(&["lost > 5 over 1m", "lost > 3 over 2m"], &[]);
    let mut timeline = Timeline::default();
    (0..60).for_each(|nth| timeline.add(&losing(nth, u64::from(nth % 12 == 3) * 2)));
    let other = timeline.clone();
    timeline.merge(&other);
    whole.timeline = Some(timeline);
    let alone = |text: &str, value| RuleWindows {
        rule: text.parse().unwrap(),
        windows: 40,
        judged: 40,
        worst: Some(WorstWindow { value, n: 10, at: At::between(NIGHT, NIGHT + 60) }),
    };
    let parts = [[alone("lost > 5 over 1m", 9.0)], [alone("lost > 3 over 2m", 2.0)]];
    let worst = |hold| {
        let found = merged_windows(&whole, parts.iter().map(<[_; 1]>::as_slice), hold);
        found.into_iter().map(|windows| windows.worst.unwrap().value).collect::<Vec<_>>()
    };
    let all = Some((NIGHT as f64, NIGHT as f64 + 300.0));
    assert_eq!(worst(all), [9.0, 8.0], "one was worse alone, in a window of its own; both together over two minutes");
    assert_eq!(worst(Some((NIGHT as f64, NIGHT as f64 + 119.0))), [9.0, 2.0], "they never held two minutes together");
    assert_eq!(worst(None), [9.0, 2.0]);
}

#[test]
fn rules_of_one_length_each_see_every_window() {
    let texts: Vec<String> = (0..20).map(|n| format!("p99 > {n}.5s over 10m")).collect();
    let rules = rules(&texts.iter().map(String::as_str).collect::<Vec<_>>(), &[]);
    let mut engine = Engine::new(rules.all(), 5);
    (0..500).for_each(|nth| engine.push(&cell(nth), CELL));
    assert!(engine.findings().iter().all(|found| found.windows == 381));
    assert!(is_beyond(&rules.fail_if[0], 0.6) && rules.longest_window() == Some(Duration::from_secs(600)));
}
