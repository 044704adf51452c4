//! Chats in the wrong place, by whole runs against the target's own record: another room's, and
//! those of a run before.

use std::process::Command;

use crate::support::{LENIENT, PATIENCE, Process, Rig, Target, balances, eventually, get, number, sum};
use nix::sys::signal::Signal;
use serde_json::Value;

const ROOMS: &str = "
metrics-listen = \"127.0.0.1:0\"
disable-event-leaving = true
disable-breakout-joining = true
ramp = \"90/s\"
sign-in-rate = \"90/s\"
connect-rate = \"90/s\"
chat-rate = \"10/s\"

[[plenary]]
slug = \"test\"
user-range-max = 6

[[plenary]]
slug = \"nobreak\"
user-range-min = 6
user-range-max = 10
";

fn injected(target: &Target, fault: &str) -> u64 {
    number(&target.counts(), &format!("/injected/{fault}"))
}

#[test]
fn a_chat_that_leaks_into_another_room_is_unexpected_on_each_of_its_connections() {
    let target = Target::start(&["--control", "127.0.0.1:0"]);
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("soak.toml"), ROOMS).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_soakrig"));
    command.args(["run", &target.url, "--config", "soak.toml", "--summary", "night.json"]).args(LENIENT);
    command.env_clear().env("HOME", home.path()).current_dir(home.path());
    let mut process = Process::command(command);
    let pages = ["test", "nobreak"].map(|slug| {
        let line = process.wait_for_line(&format!("event {slug}; metrics on http://"));
        line.rsplit_once("metrics on ").unwrap().1.split("/metrics").next().unwrap().to_owned()
    });
    let figure = |metric: &str, label: &str| -> f64 {
        pages.iter().map(|page| sum(&get(&format!("{page}/metrics")).unwrap().1, metric, &[label])).sum()
    };
    eventually("all are in", || figure("soakrig_users", "state=\"connected\"") == 10.0);
    target.set_faults(r#"{"chat":{"leak":"every:3"}}"#);
    eventually("enough leaks", || injected(&target, "leak") > 100);
    target.set_faults(r#"{"chat":{"leak":"never"}}"#);
    eventually("each is found", || {
        figure("soakrig_delivery_anomalies_total", "kind=\"unexpected\"") == injected(&target, "leak") as f64
    });
    process.signal(Signal::SIGTERM);
    let ended = process.end(PATIENCE);
    let (mut unexpected, mut others) = (0, 0);
    for slug in ["test", "nobreak"] {
        let text = std::fs::read(home.path().join(format!("night-{slug}.json"))).unwrap();
        let summary: Value = serde_json::from_slice(&text).unwrap();
        assert!(balances(&summary), "{}", ended.stdout);
        for within in ["", "/remote"] {
            unexpected += number(&summary, &format!("{within}/anomalies/unexpected"));
            others += number(&summary, &format!("{within}/deliveries/lost"));
            others += ["duplicate", "reordered", "corrupt"]
                .iter()
                .map(|kind| number(&summary, &format!("{within}/anomalies/{kind}")))
                .sum::<u64>();
        }
    }
    assert_eq!((unexpected, others), (injected(&target, "leak"), 0), "{}", ended.stdout);
}

#[test]
fn replayed_chats_of_an_earlier_run_are_foreign_and_nothing_else() {
    let target = Target::start(&["--control", "127.0.0.1:0"]);
    let home = tempfile::tempdir().unwrap();
    let cache = home.path().join("s.json");
    let load = ["--user-range-max", "5", "--chat-rate", "10/s", "--disable-event-leaving", "--ramp", "50/s"];
    let mut earlier = Rig::run(&target.url, "test", &cache, &[&load[..], &["--run-id", "monday"]].concat());
    earlier.wait_until_ready();
    eventually("some chats", || number(&target.counts(), "/received/chats") > 30);
    earlier.stop();
    target.set_faults(r#"{"chat":{"replay":7}}"#);
    let later = ["--user-range-max", "5", "--disable-chat", "--ramp", "50/s", "--run-id", "tuesday"];
    let mut rig = Rig::run(&target.url, "test", &cache, &later);
    rig.wait_until_ready();
    eventually("all are read", || rig.metric("soakrig_foreign_messages_total", &[]) == 35.0);
    let (ended, summary) = rig.stop();
    assert_eq!(injected(&target, "replay"), 35, "seven to each of five");
    for nothing in ["expected", "lost", "late"] {
        for within in ["", "/remote"] {
            assert_eq!(number(&summary, &format!("{within}/deliveries/{nothing}")), 0, "{within} {nothing}");
            assert_eq!(number(&summary, &format!("{within}/anomalies/unexpected")), 0, "{}", ended.stdout);
        }
    }
}
