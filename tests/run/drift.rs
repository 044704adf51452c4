//! Drift in a whole run, against a target that slows down by a set amount per hour.

use soakrig::cli::parse;
use soakrig::config::Environment;
use soakrig::config::plan::{Run, Task};
use soakrig::drivers::plenary::PlenaryProtocol;
use std::time::Duration;

use crate::support::Target;

/// Short enough for 30 of them in a test. Cells are as long.
const SLICE: Duration = Duration::from_secs(5);
/// The target's slowdown, in seconds per hour.
const SET: f64 = 20.0;

fn runs(target: &Target, cache: &std::path::Path) -> Vec<Run> {
    let cache = cache.to_str().unwrap();
    let args =
        ["soakrig", "run", target.url.as_str(), "test", "--cache-file", cache, "--metrics-listen", "127.0.0.1:0"];
    let more = ["--user-range-max", "10", "--chat-rate", "20/s", "--duration", "165s", "--disable-event-leaving"];
    let command = parse(args.into_iter().chain(more)).unwrap().command().unwrap();
    match command.resolve(&Environment::of([("HOME", "/nonexistent")])).unwrap().task {
        Task::Run(mut runs) => {
            runs.iter_mut().for_each(|run| run.plan.timing.slice = SLICE);
            runs
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_slows_down_drifts_by_as_much_as_was_set() {
    let target = Target::start(&["--fault-drift", "20s/h"]);
    let home = tempfile::tempdir().unwrap();
    let held = soakrig::run::run(&PlenaryProtocol, runs(&target, &home.path().join("cache"))).await.unwrap();
    let summary = &held[0].summary;
    let drift = summary.drift.as_ref().unwrap_or_else(|| panic!("no drift: {:#?}", summary.timeline));
    let p50 = drift.figures.iter().find(|figure| figure.name == "p50").unwrap();
    let slope = p50.per_hour;
    assert!((slope.value - SET).abs() < SET / 10.0, "{p50:?}");
    // Where a busy machine leaves too few independent slices the interval has no bounds. Of 20 that have, one
    // may miss by chance: a twentieth of the slope is allowed on either side.
    let (low, high) = (slope.low.unwrap_or(f64::NEG_INFINITY), slope.high.unwrap_or(f64::INFINITY));
    assert!(low - SET / 20.0 <= SET && SET <= high + SET / 20.0, "{p50:?}");
}
