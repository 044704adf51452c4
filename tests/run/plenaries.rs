//! Several plenaries in one process: each is held, counted and summed up by itself.

use std::path::Path;
use std::process::Command;

use crate::support::{Ended, PATIENCE, Process, Target, balances, eventually, get, number, sum};
use nix::sys::signal::Signal;
use serde_json::Value;

const FILE: &str = "
metrics-listen = \"127.0.0.1:0\"
disable-event-leaving = true
disable-breakout-joining = true
max-error-rate = \"100%\"
ramp = \"90/s\"
sign-in-rate = \"90/s\"
connect-rate = \"90/s\"
chat-rate = \"9/s\"

[[plenary]]
slug = \"test\"
user-range-max = 6

[[plenary]]
slug = \"nobreak\"
user-range-min = 6
user-range-max = 10
chat-rate = \"5/s\"
";

fn start(target: &Target, home: &Path, file: &str, args: &[&str]) -> Process {
    std::fs::write(home.join("soak.toml"), file).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_soakrig"));
    command.args(["run", &target.url, "--config", "soak.toml", "--summary", "night.json"]).args(args);
    command.env_clear().env("HOME", home).current_dir(home);
    Process::command(command)
}

fn metrics(process: &mut Process, slug: &str) -> String {
    let line = process.wait_for_line(&format!("event {slug}; metrics on http://"));
    line.rsplit_once("metrics on ").unwrap().1.split("/metrics").next().unwrap().to_owned()
}

fn summary(home: &Path, slug: &str, ended: &Ended) -> Value {
    let path = home.join(format!("night-{slug}.json"));
    let text = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}\n{}", path.display(), ended.stderr));
    serde_json::from_slice(&text).unwrap()
}

#[test]
fn each_has_its_users_its_figures_and_its_summary() {
    let target = Target::start(&[]);
    let home = tempfile::tempdir().unwrap();
    let mut process = start(&target, home.path(), FILE, &[]);
    let pages = ["test", "nobreak"].map(|slug| metrics(&mut process, slug));
    eventually("both ready", || {
        pages.iter().all(|page| get(&format!("{page}/ready")).is_some_and(|(status, _)| status == 200))
    });
    for (page, slug, users, rate) in [(&pages[0], "test", 6.0, 9.0), (&pages[1], "nobreak", 4.0, 5.0)] {
        let scrape = || get(&format!("{page}/metrics")).unwrap().1;
        // The schedule tells its rate when it first looks at who is there.
        eventually("its rate", || sum(&scrape(), "soakrig_rate_target", &["kind=\"chat\""]) == rate);
        // To whoever watches, each is a generator like any other.
        let scrape = scrape();
        assert_eq!(sum(&scrape, "soakrig_run_info", &[]), 1.0);
        assert_eq!(sum(&scrape, "soakrig_run_info", &[&format!("plenary=\"{slug}\"")]), 1.0);
        assert_eq!(sum(&scrape, "soakrig_users_target", &[]), users);
    }
    eventually("chats", || number(&target.counts(), "/received/chats") > 30);
    process.signal(Signal::SIGTERM);
    let ended = process.end(PATIENCE);
    // A machine that is busy with other work voids a run, and says so.
    assert!(matches!(ended.code, Some(0 | 106)), "{}\n{}", ended.stdout, ended.stderr);
    let both = [summary(home.path(), "test", &ended), summary(home.path(), "nobreak", &ended)];
    for (summary, users) in both.iter().zip([6, 4]) {
        assert_eq!(number(summary, "/users/target"), users);
        assert_eq!(number(summary, "/deliveries/lost"), 0);
        assert_eq!(number(summary, "/remote/deliveries/expected"), 0, "plenaries hear nothing of each other");
        assert!(number(summary, "/deliveries/on_time") > 0 && balances(summary), "{summary}");
    }
    assert_eq!(both[0].pointer("/run/id"), both[1].pointer("/run/id"));
    let sent: u64 = both.iter().map(|summary| number(summary, "/messages/sent/chat")).sum();
    let read: u64 = both.iter().map(|summary| number(summary, "/messages/received/chat")).sum();
    let counts = target.counts();
    assert_eq!((sent, read), (number(&counts, "/received/chats"), number(&counts, "/sent/chats_written")));
    assert_eq!(number(&counts, "/accounts/signed_up"), 10);
    assert!(ended.stdout.contains(" on test, ") && ended.stdout.contains(" on nobreak, "), "{}", ended.stdout);
}

#[test]
fn one_that_is_refused_ends_by_itself_and_the_worst_code_counts() {
    let target = Target::start(&[]);
    let home = tempfile::tempdir().unwrap();
    let process = start(&target, home.path(), &FILE.replace("nobreak", "closed"), &["--duration", "15s"]);
    let ended = process.end(PATIENCE);
    assert_eq!(ended.code, Some(107), "{}\n{}", ended.stdout, ended.stderr);
    assert_eq!(number(&summary(home.path(), "closed", &ended), "/verdict/code"), 107);
    let other = summary(home.path(), "test", &ended);
    assert!(matches!(number(&other, "/verdict/code"), 0 | 106), "{other}");
    assert!(number(&other, "/deliveries/on_time") > 0, "{other}");
    let (first, last) = (ended.stdout.lines().next().unwrap(), ended.stdout.trim_end().lines().last().unwrap());
    assert!(first.starts_with("2 plenaries: 1 ") && first.ends_with(", 1 refused (exit code 107)"), "{first}");
    assert_eq!(first, last);
}

#[test]
fn a_busy_port_keeps_all_of_them_from_starting() {
    let target = Target::start(&[]);
    let home = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = format!("metrics-listen = \"{}\"\n", taken.local_addr().unwrap());
    let ended = start(&target, home.path(), &(FILE.to_owned() + &listen), &[]).end(PATIENCE);
    assert_eq!(ended.code, Some(104), "{}", ended.stderr);
    assert!(ended.stderr.contains("--metrics-listen"), "{}", ended.stderr);
    assert_eq!(number(&target.counts(), "/accounts/signed_up"), 0);
}

#[test]
fn a_second_signal_ends_all_at_once() {
    // Nothing that is sent comes back, so a stop waits for its grace.
    let target = Target::start(&["--fault-drop", "100%"]);
    let home = tempfile::tempdir().unwrap();
    let mut process = start(&target, home.path(), FILE, &["--grace", "10m", "--delivery-horizon", "20m"]);
    eventually("chats", || number(&target.counts(), "/received/chats") > 10);
    process.signal(Signal::SIGINT);
    process.wait_for_line("a second signal ends at once");
    process.signal(Signal::SIGINT);
    let ended = process.end(PATIENCE);
    assert_eq!(ended.code, Some(105), "{}", ended.stderr);
    for slug in ["test", "nobreak"] {
        assert_eq!(number(&summary(home.path(), slug, &ended), "/verdict/code"), 105);
    }
}
