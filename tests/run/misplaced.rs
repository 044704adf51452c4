//! Chats that a server sends where they do not belong: to another room, or once more to newcomers.

use std::path::Path;
use std::process::Command;

use crate::support::{LENIENT, PATIENCE, Process, Rig, Target, balances, number};
use serde_json::Value;

const TWO_ROOMS: &str = "
metrics-listen = \"127.0.0.1:0\"
disable-event-leaving = true
disable-breakout-joining = true
ramp = \"90/s\"
sign-in-rate = \"90/s\"
connect-rate = \"90/s\"
chat-rate = \"10/s\"
duration = \"6s\"

[[plenary]]
slug = \"test\"
user-range-max = 4

[[plenary]]
slug = \"nobreak\"
user-range-min = 4
user-range-max = 8
";

fn read(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn a_server_that_leaks_between_the_rooms_of_a_process_is_found_out() {
    let target = Target::start(&["--control", "127.0.0.1:0", "--fault-leak", "every:2"]);
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("soak.toml"), TWO_ROOMS).unwrap();
    let run = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_soakrig"));
        command.args(["run", &target.url, "--config", "soak.toml", "--summary", "night.json"]).args(args);
        command.env_clear().env("HOME", home.path()).current_dir(home.path());
        Process::command(command).end(PATIENCE)
    };
    let ended = run(&LENIENT);
    let both = ["night-test.json", "night-nobreak.json"].map(|file| read(&home.path().join(file)));
    for summary in &both {
        assert!(balances(summary), "{summary}");
        assert!(number(summary, "/anomalies/unexpected") > 0, "{}", ended.stdout);
        assert_eq!(number(summary, "/remote/anomalies/unexpected"), 0, "this process sent them all");
        assert_eq!((number(summary, "/remote/deliveries/expected"), number(summary, "/foreign")), (0, 0));
        assert_eq!(number(summary, "/deliveries/lost"), 0, "{}", ended.stdout);
    }
    let unexpected: u64 = both.iter().map(|summary| number(summary, "/anomalies/unexpected")).sum();
    let leaked = target.injections().iter().filter(|injection| injection["fault"] == "leak").count() as u64;
    assert!(unexpected <= leaked, "{unexpected} {leaked}");
    // What nobody allowed fails the run.
    assert_eq!(run(&[]).code, Some(99));
}

#[test]
fn an_earlier_runs_chats_shown_to_newcomers_are_foreign_and_in_no_verdict() {
    let target = Target::start(&["--fault-replay", "30"]);
    let home = tempfile::tempdir().unwrap();
    let run = |id: &str, [min, max]: [&str; 2]| {
        let flags = ["--run-id", id, "--user-range-min", min, "--user-range-max", max, "--chat-rate", "10/s"];
        let more = ["--duration", "5s", "--disable-event-leaving", "--disable-breakout-joining"];
        let file = home.path().join(format!("{id}.json"));
        let (ended, summary) =
            Rig::run(&target.url, "test", &file, &[&flags[..], &more, &LENIENT].concat()).end(PATIENCE);
        assert!(balances(&summary), "{}", ended.stdout);
        (ended, summary)
    };
    let (_, first) = run("first", ["0", "5"]);
    assert_eq!(number(&first, "/foreign"), 0, "nothing had been said before");
    assert!(number(&first, "/deliveries/on_time") > 0);
    let (ended, second) = run("second", ["5", "10"]);
    assert!(number(&second, "/foreign") > 0, "{}", ended.stdout);
    for zero in ["/remote/deliveries/expected", "/remote/deliveries/lost", "/remote/anomalies/unexpected"] {
        assert_eq!(number(&second, zero), 0, "{zero}\n{}", ended.stdout);
    }
    assert_eq!(second.pointer("/remote/clock_offset_seconds"), Some(&Value::Null), "{}", ended.stdout);
    assert_eq!(number(&second, "/deliveries/lost"), 0, "{}", ended.stdout);
    assert!(ended.stdout.contains("arrivals of messages of another run"), "{}", ended.stdout);
}
