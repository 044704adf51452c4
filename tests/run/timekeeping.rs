//! A generator that is stopped and continued: it notices, says so, and does not catch up at the
//! server's expense.

use std::time::{Duration, Instant};

use crate::support::{PATIENCE, Rig, Target, balances, eventually, number};
use nix::sys::signal::Signal;

/// Chats per second.
const RATE: u64 = 50;
/// How long the process is stopped.
const STOPPED: Duration = Duration::from_secs(6);
/// Intents that are up to a second late are carried out.
const CAUGHT_UP: Duration = Duration::from_secs(1);

fn chats_taken_in(target: &Target) -> u64 {
    number(&target.counts(), "/received/chats")
}

/// Intents in this time, as a whole number.
fn intents(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap() * RATE / 1_000
}

#[test]
fn a_stopped_process_is_noticed_and_missed_intents_are_not_caught_up() {
    let target = Target::start(&[]);
    let cache = tempfile::tempdir().unwrap();
    let load = [
        "--user-range-max",
        "20",
        "--chat-rate",
        "50/s",
        "--disable-event-leaving",
        "--disable-breakout-joining",
        "--ramp",
        "100/s",
        "--sign-in-rate",
        "100/s",
        "--connect-rate",
        "100/s",
        // Nothing is late because of the stop, nor because of other work on the machine.
        "--delivery-deadline",
        "2m",
        "--delivery-horizon",
        "3m",
    ];
    let mut rig = Rig::run(&target.url, "test", &cache.path().join("s.json"), &load);
    rig.wait_until_ready();
    eventually("chats go", || chats_taken_in(&target) > 2 * RATE);
    rig.process.signal(Signal::SIGSTOP);
    let mut before = chats_taken_in(&target);
    eventually("what was written is taken in", || {
        let now = chats_taken_in(&target);
        std::mem::replace(&mut before, now) == now
    });
    std::thread::sleep(STOPPED);
    let went_on = Instant::now();
    rig.process.signal(Signal::SIGCONT);
    eventually("the stop is noticed", || rig.metric("soakrig_clock_events_total", &["kind=\"stall\""]) >= 1.0);
    let taken_in = chats_taken_in(&target) - before;
    let most = intents(CAUGHT_UP + went_on.elapsed()) + 10;
    assert!(taken_in <= most, "{taken_in} chats came upon the server, {most} at most were due");
    eventually("chats go again", || chats_taken_in(&target) > before + 3 * RATE);
    rig.process.signal(Signal::SIGTERM);
    let (ended, summary) = rig.end(PATIENCE);

    let stalls = number(&summary, "/clock/events/stall");
    assert!(stalls >= 1 && summary["clock"]["events"].as_object().unwrap().len() == 1, "{}", ended.stdout);
    let said = ended.stderr.matches("this process stood still").count();
    assert_eq!(said as u64, stalls, "once each\n{}", ended.stderr);
    let seconds = summary["clock"]["seconds"]["stall"].as_f64().unwrap();
    assert!(seconds > STOPPED.as_secs_f64() - 1.0, "{seconds}");
    assert!(balances(&summary), "{}", ended.stdout);
    assert_eq!(number(&summary, "/deliveries/lost") + number(&summary, "/deliveries/late"), 0, "{}", ended.stdout);
    let (all, judged) = (&summary["delivery_seconds"]["intended"], &summary["judged_seconds"]["intended"]);
    let (all, judged) = (number(all, "/count"), number(judged, "/count"));
    assert!(judged < all, "what was under way in the stop is not judged: {judged} of {all}\n{}", ended.stdout);
    let spoilt = seconds_spoilt(&summary, "stall");
    // A stall starts at the process's last look at the clock but one, or when that was due.
    assert!(spoilt > STOPPED.as_secs_f64() - 1.0, "{spoilt}\n{}", ended.stdout);
    let dropped = &summary["rates"]["chat"]["dropped"];
    let in_all: u64 = dropped.as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum();
    let sent = number(&summary, "/messages/sent/chat");
    assert_eq!(number(&summary, "/operations/send"), sent + in_all, "every intent is accounted for\n{}", ended.stdout);
    let overdue = dropped["overdue"].as_u64().unwrap();
    assert!(overdue >= intents(STOPPED - CAUGHT_UP) - 10, "{overdue}\n{}", ended.stdout);
    assert_eq!(ended.code, Some(spoilt_code(&summary)), "{}", ended.stdout);
}

/// Seconds of the hold spoilt for a reason.
fn seconds_spoilt(summary: &serde_json::Value, by: &str) -> f64 {
    summary["generator"]["spoilt_by"][by].as_f64().unwrap_or_default()
}

/// The exit code of a run in which only the generator was at fault: invalid if its hold shows that, or if it
/// is too short to prove otherwise while all deliveries together would fail.
fn spoilt_code(summary: &serde_json::Value) -> i32 {
    let sum = |key: &str| number(summary, &format!("/deliveries/{key}"));
    let unexpected = number(summary, "/anomalies/unexpected");
    let fails = sum("lost") > 0 || sum("late") * 100 > sum("expected") || unexpected * 1_000 > sum("expected");
    if summary["run"]["hold_seconds"].as_f64().unwrap() >= 30.0 || fails { 106 } else { 0 }
}

#[test]
fn stops_too_short_for_a_clock_event_are_spoilt_time_and_fail_no_run() {
    const STOPS: u32 = 3;
    let stop = Duration::from_millis(1_800);
    let target = Target::start(&[]);
    let cache = tempfile::tempdir().unwrap();
    let limits = ["--delivery-deadline", "1s", "--delivery-horizon", "1500ms", "--grace", "10s"];
    let load = ["--user-range-max", "10", "--chat-rate", "20/s", "--disable-event-leaving", "--ramp", "100/s"];
    let rates = ["--disable-breakout-joining", "--sign-in-rate", "100/s", "--connect-rate", "100/s"];
    let mut rig = Rig::run(&target.url, "test", &cache.path().join("s.json"), &[&limits[..], &load, &rates].concat());
    rig.wait_until_ready();
    for _ in 0..STOPS {
        let before = chats_taken_in(&target);
        eventually("chats go", || chats_taken_in(&target) > before + 10);
        rig.process.signal(Signal::SIGSTOP);
        std::thread::sleep(stop);
        rig.process.signal(Signal::SIGCONT);
    }
    rig.process.signal(Signal::SIGTERM);
    let (ended, summary) = rig.end(Duration::from_secs(90));
    assert!(balances(&summary), "{}", ended.stdout);
    let spoilt = seconds_spoilt(&summary, "stall");
    assert!(spoilt >= (stop * STOPS).as_secs_f64(), "{spoilt}\n{}", ended.stdout);
    let total = summary["generator"]["spoilt_seconds"].as_f64().unwrap();
    let hold = summary["run"]["hold_seconds"].as_f64().unwrap();
    assert!(spoilt <= total && total <= hold, "{spoilt}, {total}, {hold}");
    assert_eq!(ended.code, Some(spoilt_code(&summary)), "{}", ended.stdout);
}
