//! The instrument against known truth: the target injects a counted number of faults, and the
//! ledger must report exactly that number, with users leaving and coming back all the while.

use std::path::Path;

use crate::support::{LENIENT, Rig, Target, balances, eventually, number};
use serde_json::Value;

/// Microseconds from a chat's intended time to its horizon, as set below.
const HORIZON: u64 = 20_000_000;
/// A connection that was left this close to a horizon, or to an arrival, may be judged either way:
/// the two processes see its end at different times, on a busy machine very much so.
const RACE: u64 = 1_000_000;
/// Faults after which a run has seen enough.
const ENOUGH: u64 = 300;

/// The result of a run under faults, and the target's own record.
struct Trial {
    summary: Value,
    injections: Vec<Value>,
    said: String,
}

fn trial(faults: &[&str], rig: &[&str]) -> Trial {
    let target =
        Target::start(&[&["--control", "127.0.0.1:0", "--fault-min-age", "5s", "--fault-seed", "7"], faults].concat());
    let cache = tempfile::tempdir().unwrap();
    let quick = ["--user-range-max", "30", "--ramp", "100/s", "--sign-in-rate", "100/s", "--connect-rate", "100/s"];
    let load = ["--chat-rate", "20/s", "--leave-rate", "1/s", "--away", "1s..2s"];
    let terms = ["--delivery-deadline", "6s", "--delivery-horizon", "20s", "--grace", "5m"];
    let args = [&quick[..], &load, &terms, &LENIENT, rig].concat();
    let mut rig = Rig::run(&target.url, "test", &cache.path().join("s.json"), &args);
    rig.wait_until_ready();
    let injected = || target.injections().len() as u64;
    eventually("enough is injected", || injected() > ENOUGH);
    let (ended, summary) = rig.stop();
    // A machine that is busy with other work voids a run; what was counted is exact all the same.
    assert!(matches!(ended.code, Some(0 | 106)), "{}\n{}", ended.stdout, ended.stderr);
    assert!(balances(&summary), "{}", ended.stdout);
    assert_eq!(number(&summary, "/deliveries/outstanding"), 0, "{}", ended.stdout);
    Trial { summary, injections: target.injections(), said: ended.stdout }
}

impl Trial {
    fn of(&self, faults: &[&str]) -> impl Iterator<Item = &Value> {
        self.injections.iter().filter(move |i| faults.contains(&i["fault"].as_str().unwrap()))
    }

    /// Deliveries withheld for good: those that must be lost, and those that may be, because the
    /// connection was left around the horizon.
    fn withheld(&self, faults: &[&str]) -> (u64, u64) {
        let (mut sure, mut open) = (0, 0);
        for injection in self.of(faults) {
            let horizon = intended(injection) + HORIZON;
            match injection["ended"].as_u64() {
                Some(ended) if ended < horizon - RACE => {}
                Some(ended) if ended < horizon + RACE => open += 1,
                _ => sure += 1,
            }
        }
        (sure, open)
    }

    /// Whether a figure is the number of these faults that reached their connection; those whose
    /// connection was left about then may or may not be in it.
    fn reached_exactly(&self, path: &str, faults: &[&str], that: impl Fn(&Value) -> bool) {
        let (mut sure, mut open) = (0, 0);
        for injection in self.of(faults).filter(|injection| that(injection)) {
            let held = injection["delay_ms"].as_u64().is_some_and(|ms| ms > 0);
            let written = if held { injection["written"].as_u64() } else { injection["at"].as_u64() };
            let Some(written) = written else { continue };
            match injection["ended"].as_u64() {
                Some(ended) if ended < written + RACE => open += 1,
                _ => sure += 1,
            }
        }
        let count = self.count(path);
        assert!((sure..=sure + open).contains(&count), "{path}: {count}, {sure} reached, {open} open\n{}", self.said);
        assert!(sure > 20 && open * 2 <= sure, "{path}: {sure} {open}");
    }

    fn count(&self, path: &str) -> u64 {
        number(&self.summary, path)
    }

    fn lost_exactly(&self, faults: &[&str]) {
        let (sure, open) = self.withheld(faults);
        let lost = self.count("/deliveries/lost");
        assert!((sure..=sure + open).contains(&lost), "{lost} lost, {sure} withheld, {open} open\n{}", self.said);
        assert!(sure > 20 && open * 5 <= sure, "{sure} {open}");
    }
}

/// The intended time in a chat's marker, in microseconds since the Unix epoch.
fn intended(injection: &Value) -> u64 {
    let text = injection["text"].as_str().unwrap();
    u64::from_str_radix(text.split('-').nth(5).unwrap(), 36).unwrap()
}

#[test]
fn dropped_deliveries_and_no_others_are_lost() {
    let trial = trial(&["--fault-drop", "2%"], &[]);
    trial.lost_exactly(&["drop"]);
    for zero in [
        "/deliveries/late",
        "/anomalies/duplicate",
        "/anomalies/reordered",
        "/anomalies/unexpected",
        "/anomalies/corrupt",
    ] {
        assert_eq!(trial.count(zero), 0, "{zero}\n{}", trial.said);
    }
}

#[test]
fn deliveries_open_at_the_end_of_a_short_run_are_outstanding() {
    let target = Target::start(&["--control", "127.0.0.1:0", "--fault-drop", "every:20"]);
    let cache = tempfile::tempdir().unwrap();
    let flags = [["--user-range-max", "20"], ["--chat-rate", "20/s"], ["--grace", "2s"], ["--delivery-horizon", "1h"]];
    let mut rig = Rig::run(
        &target.url,
        "test",
        &cache.path().join("s.json"),
        &[flags.as_flattened(), &["--disable-event-leaving"]].concat(),
    );
    rig.wait_for_metrics();
    eventually("some are dropped", || target.injections().len() > 20);
    let (ended, summary) = rig.stop();
    assert_eq!(ended.code, Some(99), "{}\n{}", ended.stdout, ended.stderr);
    assert!(balances(&summary), "{}", ended.stdout);
    let dropped = target.injections().len() as u64;
    assert!(dropped > 20, "{dropped}");
    assert_eq!(number(&summary, "/deliveries/outstanding"), dropped, "{}", ended.stdout);
    assert_eq!(number(&summary, "/deliveries/lost") + number(&summary, "/deliveries/excused/total"), 0);
    assert!(ended.stdout.contains(&format!("{dropped} of ")), "{}", ended.stdout);
}

#[test]
fn duplicates_are_counted_one_by_one() {
    let trial = trial(&["--fault-duplicate", "every:40"], &[]);
    trial.reached_exactly("/anomalies/duplicate", &["duplicate"], |_| true);
    assert_eq!(trial.count("/deliveries/lost") + trial.count("/anomalies/unexpected"), 0, "{}", trial.said);
}

#[test]
fn delayed_deliveries_are_late_and_overtaken_ones_reordered() {
    let delay = ["--fault-delay", "4%", "--fault-delay-min", "8s", "--fault-delay-max", "10s"];
    let trial = trial(&delay, &[]);
    trial.reached_exactly("/deliveries/late", &["delay"], |_| true);
    trial.reached_exactly("/anomalies/reordered", &["delay"], |i| i["overtaken"] == true);
    assert_eq!(trial.count("/deliveries/lost"), 0, "{}", trial.said);
}

#[test]
fn corrupt_deliveries_are_counted_corrupt_and_lost() {
    let faults = ["--fault-corrupt-bytes", "1%", "--fault-corrupt-json", "1%", "--fault-corrupt-marker", "1%"];
    let kinds = ["corrupt_bytes", "corrupt_json", "corrupt_marker"];
    let trial = trial(&faults, &["--disable-event-leaving"]);
    let corrupt = trial.count("/anomalies/corrupt") + trial.count("/remote/anomalies/corrupt");
    assert_eq!(corrupt, trial.of(&kinds).count() as u64, "{}", trial.said);
    trial.lost_exactly(&kinds);
}

#[test]
fn mixed_faults_are_counted_separately() {
    let faults = [
        "--fault-drop",
        "1%",
        "--fault-duplicate",
        "1%",
        "--fault-reorder",
        "1%",
        "--fault-delay",
        "1%",
        "--fault-delay-min",
        "8s",
        "--fault-delay-max",
        "10s",
        "--fault-reorder-wait",
        "2s",
    ];
    let trial = trial(&faults, &[]);
    trial.lost_exactly(&["drop"]);
    trial.reached_exactly("/anomalies/duplicate", &["duplicate"], |_| true);
    trial.reached_exactly("/deliveries/late", &["delay"], |_| true);
    trial.reached_exactly("/anomalies/reordered", &["delay", "reorder"], |i| i["overtaken"] == true);
}

#[test]
fn the_anomaly_log_names_each_injected_anomaly() {
    let directory = tempfile::tempdir().unwrap();
    let log: &Path = &directory.path().join("anomalies.jsonl");
    let trial = trial(&["--fault-drop", "1%"], &["--anomaly-log", log.to_str().unwrap()]);
    let lines = std::fs::read_to_string(log).unwrap();
    let lost = lines.lines().filter(|l| serde_json::from_str::<Value>(l).unwrap()["kind"] == "lost").count() as u64;
    assert_eq!(lost, trial.count("/deliveries/lost"), "{lines}");
}
