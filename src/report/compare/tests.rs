use super::*;
use crate::report::changes::FigureUnit;
use crate::report::changes::{ChangeKind, Changes, FigureChange};
use crate::report::drift;
use crate::report::inputs::tests::night;
use crate::report::timeline::made::Made;
use crate::stats::made_series::normal;
use rand::SeedableRng;
use rand::rngs::StdRng;

/// A run of an hour, with a given drift, because computing it takes most of the time.
fn run(seed: u64, made: Made) -> Summary {
    let mut summary = night();
    let mut rng = StdRng::seed_from_u64(seed ^ 0x5eed);
    let figures = ["p99", "memory"].map(|name| {
        let value = 0.02 * normal(&mut rng);
        let interval = Interval::of([value, value - 0.05, value + 0.05]);
        FigureChange {
            name: name.to_owned(),
            unit: FigureUnit::Seconds,
            start: 1.0,
            per_hour: interval.unwrap(),
            relative_per_hour: interval,
            step: None,
            p: 1.0,
            change: ChangeKind::None,
        }
    });
    summary.run.id = format!("run-{seed}");
    summary.drift = Some(Changes { from: 0, to: 3_600, slices: 60, figures: figures.into() });
    summary.timeline = Some(Made { seed, slices: 60, ..made }.timeline());
    summary.run.hold_seconds = 3_600.0;
    summary
}

fn compared(before: &Summary, after: &Summary) -> Comparison {
    let [before, after] =
        [("before.json", before), ("after.json", after)].map(|(file, summary)| Input { file, summary });
    compare(before, after, &Tolerances::default()).unwrap()
}

fn row<'a>(comparison: &'a Comparison, name: &str) -> &'a Row {
    comparison.figures.iter().find(|row| row.name == name).unwrap_or_else(|| panic!("no {name}"))
}

#[test]
fn of_1000_pairs_without_a_difference_at_most_7_percent_show_one() {
    let runs: Vec<Summary> = (0..1_001).map(|seed| run(seed, Made::flat(seed))).collect();
    let shows = |pair: &&[Summary]| compared(&pair[0], &pair[1]).figures.iter().any(|row| row.result != Outcome::Same);
    let shown = runs.windows(2).filter(shows).count();
    assert!(shown <= 70, "{shown} of 1,000");
}

#[test]
fn of_1000_pairs_with_a_tenth_more_p99_at_least_90_percent_show_it() {
    let tail = |seed: u64| if seed.is_multiple_of(2) { 1.0 } else { 1.1 };
    let runs: Vec<Summary> = (0..1_001).map(|seed| run(seed, Made { tail: tail(seed), ..Made::flat(seed) })).collect();
    let (mut shown, mut failed) = (0, 0);
    for (i, pair) in runs.windows(2).enumerate() {
        let [before, after] = if i % 2 == 0 { [&pair[0], &pair[1]] } else { [&pair[1], &pair[0]] };
        let comparison = compared(before, after);
        shown += u32::from(row(&comparison, "p99").result != Outcome::Same);
        failed += u32::from(comparison.code == ExitCode::Threshold.number());
    }
    assert!(shown >= 900, "{shown} of 1,000");
    assert!(failed >= 900, "{failed} of 1,000 beyond the tolerance");
}

#[test]
fn a_regression_in_words() {
    let mut before = run(1, Made::flat(1));
    let mut after = run(2, Made { times: 1.2, losses: 3.0, ..Made::flat(2) });
    before.configuration = [("--users", "200"), ("--password", "***"), ("--chattiness", "5")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    after.configuration = before.configuration.clone();
    after.configuration.insert("--chattiness".to_owned(), "6".to_owned());
    after.configuration.insert("--password".to_owned(), "-".to_owned());
    after.run.seed = 7;
    after.run.version = "0.3.0".to_owned();
    after.generator.spoilt_seconds = 40.0;
    after.verdict.code = 99;
    let comparison = compared(&before, &after);
    assert_eq!(comparison.code, 99);
    insta::assert_snapshot!(render(&comparison));
    let json = serde_json::to_value(&comparison).unwrap();
    assert_eq!((&json["code"], &json["figures"][0]["name"]), (&99.into(), &"lost".into()));
}

#[test]
fn a_change_for_the_better_or_within_the_tolerance_fails_nothing() {
    let slow = run(1, Made { times: 1.2, ..Made::flat(1) });
    let better = compared(&slow, &run(2, Made::flat(2)));
    assert_eq!((row(&better, "p99").result, better.code), (Outcome::Better, 0));
    let tolerances = Tolerances::of_all(&["p50=50%", "p90=50%", "p99=off"].map(|text| text.parse().unwrap()));
    let fast = run(2, Made::flat(2));
    let [before, after] = [("a", &fast), ("b", &slow)].map(|(file, summary)| Input { file, summary });
    let within = compare(before, after, &tolerances).unwrap();
    assert_eq!(
        (row(&within, "p50").result, row(&within, "p99").result),
        (Outcome::WithinTolerance, Outcome::WithinTolerance)
    );
    assert_eq!(within.code, 0);
}

#[test]
fn losses_where_there_were_none_are_compared_by_message() {
    let lossless = Made { losses: 0.0, ..Made::flat(1) };
    let before = run(1, lossless);
    let mut after = run(2, Made { seed: 2, ..lossless });
    let slices = &mut after.timeline.as_mut().unwrap().slices;
    // One message that 150 receivers missed.
    (slices[3].deliveries.lost, slices[3].deliveries.on_time) = (150, slices[3].deliveries.on_time - 150);
    (after.loss_groups.rest.messages, after.loss_groups.rest.deliveries) = (1, 150);
    let one = compared(&before, &after);
    assert_eq!((row(&one, "lost").result, one.code), (Outcome::Same, 0), "{:?}", row(&one, "lost"));
    after.loss_groups.rest.messages = 60;
    let many = compared(&before, &after);
    assert_eq!((row(&many, "lost").result, many.code), (Outcome::Worse, 99), "{:?}", row(&many, "lost"));
    assert!(render(&many).contains("lost"), "{}", render(&many));
}

#[test]
fn what_cannot_be_compared_says_why() {
    let good = run(1, Made::flat(1));
    let mut other = run(2, Made::flat(2));
    let refused = |other: &Summary| {
        let [before, after] = [("a.json", &good), ("b.json", other)].map(|(file, summary)| Input { file, summary });
        compare(before, after, &Tolerances::default()).unwrap_err()
    };
    assert_eq!(refused(&good), CompareError::SameRun("a.json".to_owned(), "b.json".to_owned()));
    for slice in &mut other.timeline.as_mut().unwrap().slices {
        slice.hold_seconds = 30.0;
    }
    assert_eq!(refused(&other), CompareError::NoHold("b.json".to_owned()));
    other.timeline = None;
    assert_eq!(refused(&other), CompareError::NoTimeline("b.json".to_owned()));
}

#[test]
fn slices_of_other_lengths_and_drifts_that_are_not_told_are_compared() {
    let short = run(1, Made { drift: 0.3, ..Made::flat(1) });
    let mut long = run(2, Made { slice_seconds: 120, ..Made::flat(2) });
    long.drift = None;
    let comparison = compared(&short, &long);
    let told = drift::of_summary(&long).unwrap();
    let p99 = told.figures.iter().find(|figure| figure.name == "p99").unwrap();
    assert_eq!(row(&comparison, "drift(p99)").after, p99.relative_per_hour.unwrap().value);
    assert_eq!(comparison.after.seconds, 7_200.0);
}
