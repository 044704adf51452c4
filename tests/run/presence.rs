//! Member lists against who is connected, with the real binary on both sides: the rig finds exactly
//! the target's injected errors, and nothing else.

use std::time::Duration;

use crate::support::{Ended, Rig, Target, eventually_within, number, sum};
use serde_json::Value;

const CONTROLLED: [&str; 4] = ["--control", "127.0.0.1:0", "--fault-seed", "7"];
/// A settling time of five seconds, the shortest.
const TERMS: [&str; 4] = ["--delivery-deadline", "5s", "--max-error-rate", "100%"];
/// Chats are not what this is about.
const QUIET: [&str; 11] = [
    "--chat-rate",
    "1/s",
    "--disable-breakout-joining",
    "--ramp",
    "50/s",
    "--sign-in-rate",
    "100/s",
    "--connect-rate",
    "100/s",
    "--max-lost",
    "1000",
];
const PATIENCE: Duration = Duration::from_secs(300);

struct Pair {
    target: Target,
    rig: Rig,
    _cache: tempfile::TempDir,
}

impl Pair {
    fn start(target: &[&str], rig: &[&str]) -> Self {
        let target = Target::start(&[&CONTROLLED[..], target].concat());
        let cache = tempfile::tempdir().unwrap();
        let load = [&QUIET[..], &TERMS, rig].concat();
        let mut rig = Rig::run(&target.url, "test", &cache.path().join("s.json"), &load);
        rig.wait_for_metrics();
        Self { target, rig, _cache: cache }
    }

    fn injected(&self, kind: &str) -> u64 {
        self.target.counts()["injected"][kind].as_u64().unwrap_or(0)
    }

    /// Mismatches of a kind by one scrape: those open now, and all so far.
    fn found(&self, kind: &str) -> (u64, u64) {
        let scrape = self.rig.scrape();
        let of = |metric| {
            let found = sum(&scrape, metric, &[&format!("kind=\"{kind}\"")]);
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small count")]
            let found = found as u64;
            found
        };
        (of("soakrig_presence_mismatches"), of("soakrig_presence_mismatch_episodes_total"))
    }

    fn stop(self) -> (Ended, Value) {
        self.rig.process.signal(nix::sys::signal::Signal::SIGTERM);
        self.rig.end(PATIENCE)
    }
}

fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    eventually_within(PATIENCE, what, &mut is_so);
}

#[test]
fn each_ghost_is_counted_until_the_fault_ends() {
    // Slowly, so that at times all users who left have been away for the settling time.
    let away = ["--user-range-max", "60", "--leave-rate", "0.5/s", "--away", "10m..10m"];
    let mut pair = Pair::start(&["--presence", "full", "--fault-ghosts", "0.3"], &away);
    pair.rig.wait_until_ready();
    // The count of mismatches found lags the injected ones by the settling time.
    eventually("as many are found as were injected", || {
        let (now, began) = pair.found("ghost");
        now >= 5 && now == began && now == pair.injected("ghost")
    });
    assert_eq!(pair.found("missing"), (0, 0));
    pair.target.set_faults(r#"{"presence":{"ghosts":0}}"#);
    eventually("no ghosts", || pair.found("ghost").0 == 0);
    let injected = pair.injected("ghost");
    let (ended, summary) = pair.stop();
    let episodes = number(&summary, "/presence/ghost/episodes");
    assert!((5..=injected).contains(&episodes), "{episodes} of {injected}\n{}", ended.stdout);
    assert_eq!(number(&summary, "/presence/ghost/most"), episodes, "no user came back\n{}", ended.stdout);
    assert_eq!(number(&summary, "/presence/ghost/at_end"), 0, "{}", ended.stdout);
    assert_eq!(number(&summary, "/presence/missing/episodes"), 0, "{}", ended.stdout);
    assert!(ended.stderr.contains("listed as a member, though the user is gone"), "{}", ended.stderr);
}

#[test]
fn each_missing_user_is_counted_and_again_after_it_returns() {
    let load = ["--user-range-max", "40", "--disable-event-leaving"];
    let mut pair = Pair::start(&["--presence", "batched:1s", "--fault-missing", "0.3"], &load);
    pair.rig.wait_until_ready();
    let hidden = pair.injected("missing");
    assert!(hidden >= 5, "{hidden}");
    eventually("as many are found as were injected", || pair.found("missing") == (hidden, hidden));
    pair.target.act(r#"{"do":"close","code":1012,"share":0.7}"#);
    // Each join of a hidden user counts, on both sides.
    eventually("those who came back are found again", || {
        let (now, began) = pair.found("missing");
        began > hidden && began == pair.injected("missing") && now == hidden
    });
    pair.target.set_faults(r#"{"presence":{"missing":0}}"#);
    eventually("no user is missing", || pair.found("missing").0 == 0);
    let (ended, summary) = pair.stop();
    assert_eq!(number(&summary, "/presence/ghost/episodes"), 0, "{}", ended.stdout);
    assert_eq!(number(&summary, "/presence/missing/at_end"), 0, "{}", ended.stdout);
    assert_eq!(number(&summary, "/presence/missing/most"), hidden, "{}", ended.stdout);
}

#[test]
fn correct_member_lists_give_no_findings() {
    for (mode, judged) in [("full", true), ("batched:1s", true), ("off", false)] {
        let load = ["--user-range-max", "40", "--leave-rate", "4/s", "--away", "1s..9s", "--duration", "25s"];
        let pair = Pair::start(&["--presence", mode], &load);
        let (ended, summary) = pair.rig.end(PATIENCE);
        assert_eq!(ended.code, Some(0), "{mode}\n{}\n{}", ended.stdout, ended.stderr);
        for kind in ["ghost", "missing"] {
            let episodes = number(&summary, &format!("/presence/{kind}/episodes"));
            assert_eq!(episodes, 0, "{mode}: {kind}\n{}\n{}", ended.stdout, ended.stderr);
        }
        let lists = &summary["presence"]["lists"];
        let of = |fate: &str| lists[fate].as_u64().unwrap_or(0);
        assert_eq!((of("judged") > 20, of("unreadable")), (judged, 0), "{mode}: {lists}");
        assert!(judged || of("short") > 5, "{mode}: {lists}");
        assert!(number(&summary, "/connections/plenary/disconnects/user/left") > 10, "{}", ended.stdout);
    }
}

#[test]
fn users_of_other_generators_are_not_checked() {
    let target = Target::start(&[&CONTROLLED[..], &["--fault-missing", "0.5"]].concat());
    let cache = tempfile::tempdir().unwrap();
    let cache = cache.path().join("s.json");
    let mut rigs = [("0", "12"), ("12", "30")].map(|(min, max)| {
        let range = ["--user-range-min", min, "--user-range-max", max, "--disable-event-leaving"];
        Rig::run(&target.url, "test", &cache, &[&range[..], &QUIET, &TERMS].concat())
    });
    rigs.iter_mut().for_each(Rig::wait_until_ready);
    let missing = |rig: &Rig| rig.metric("soakrig_presence_mismatches", &["kind=\"missing\""]);
    eventually("each hidden user is found by its own", || {
        let injected = number(&target.counts(), "/injected/missing");
        rigs.iter().map(missing).sum::<f64>() == injected as f64
    });
    let found = rigs.map(|rig| {
        let (ended, summary) = rig.stop();
        assert_eq!(number(&summary, "/presence/ghost/episodes"), 0, "{}", ended.stdout);
        number(&summary, "/presence/missing/at_end")
    });
    let injected = target.counts()["injected"]["missing"].as_u64().unwrap();
    assert_eq!(found.iter().sum::<u64>(), injected, "{found:?}");
    assert!(found.iter().all(|found| *found > 1), "{found:?}");
}
