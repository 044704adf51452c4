//! Many rooms in one run, held against what the server counted in each.

use std::collections::BTreeSet;
use std::path::Path;

use crate::support::{Ended, LENIENT, Rig, Target, balances, eventually, number, sum};
use serde_json::Value;

/// Eleven users in four rooms, whose numbers begin at 7: 3, 3, 3 and 2.
const ROOMS: [&str; 6] = ["--rooms", "4", "--room-min", "7", "--user-range-max", "11"];
const QUICK: [&str; 6] = ["--ramp", "90/s", "--sign-in-rate", "90/s", "--connect-rate", "90/s"];
/// Leaving and coming back is not the question.
const CALM: [&str; 2] = ["--disable-event-leaving", "--disable-breakout-joining"];
/// Nor is the machine's pace.
const PACE: [&str; 2] = ["--max-error-rate", "100%"];

fn target() -> Target {
    Target::start(&["--control", "127.0.0.1:0", "--rooms", "4", "--room-min", "7"])
}

fn run(target: &Target, cache: &Path, args: &[&str]) -> Rig {
    Rig::run(&target.url, "event-%s", cache, &[&ROOMS[..], &QUICK, &CALM, args].concat())
}

/// What the server counted in each numbered room: sockets now, chats, deliveries due.
fn rooms(target: &Target) -> Vec<[u64; 3]> {
    let rooms = target.rooms().into_iter().filter(|room| room["slug"].as_str().unwrap().starts_with("event-"));
    rooms.map(|room| ["sockets_now", "chats", "chats_due"].map(|key| room[key].as_u64().unwrap())).collect()
}

fn agrees(target: &Target, ended: &Ended, summary: &Value) {
    let rooms = rooms(target);
    let sums = [1, 2].map(|figure| rooms.iter().map(|room| room[figure]).sum::<u64>());
    assert_eq!(number(summary, "/messages/sent/chat"), sums[0], "{}", ended.stdout);
    // While a user joins, either side may see it there already.
    let received = number(summary, "/deliveries/expected") + number(summary, "/deliveries/raced");
    assert_eq!(received, sums[1], "{}", ended.stdout);
    assert!(balances(summary), "{}", ended.stdout);
}

#[test]
fn users_are_divided_among_the_rooms_and_each_delivery_is_accounted_for() {
    let target = target();
    let home = tempfile::tempdir().unwrap();
    let text = ["--message-size", "5..300", "--alphabet", "unicode"];
    let mut rig = run(&target, &home.path().join("s.json"), &[&["--chat-rate", "40/s"][..], &text, &PACE].concat());
    rig.wait_until_ready();
    assert_eq!(rooms(&target).iter().map(|room| room[0]).collect::<Vec<_>>(), [3, 3, 3, 2]);
    eventually("chats in all rooms", || rooms(&target).iter().all(|room| room[1] > 5));
    let scrape = rig.scrape();
    assert!(scrape.contains("plenary=\"event-%s\""), "{scrape}");
    assert_eq!(sum(&scrape, "soakrig_rate_target", &["kind=\"chat\""]), 40.0, "of the whole run");
    let (ended, summary) = rig.stop();
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stdout, ended.stderr);
    agrees(&target, &ended, &summary);
    assert_eq!(number(&summary, "/deliveries/expected"), number(&summary, "/deliveries/on_time"), "{}", ended.stdout);
    assert_eq!(summary.pointer("/run/plenary").and_then(Value::as_str), Some("event-%s"));
}

#[test]
fn users_who_leave_come_back_to_their_own_room_and_side_rooms() {
    let target = target();
    let home = tempfile::tempdir().unwrap();
    let moves = ["--leave-rate", "9/s", "--breakout-rate", "9/s", "--away", "100ms..1s", "--chat-rate", "30/s"];
    let args = [&ROOMS[..], &QUICK, &PACE, &moves].concat();
    let mut rig = Rig::run(&target.url, "event-%s", &home.path().join("s.json"), &args);
    rig.wait_until_ready();
    eventually("many have left", || rig.metric("soakrig_actions_total", &["kind=\"leave\""]) > 40.0);
    eventually("chats in all rooms", || rooms(&target).iter().all(|room| room[1] > 5));
    let (ended, summary) = rig.stop();
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stdout, ended.stderr);
    assert!(balances(&summary), "{}", ended.stdout);
    for nothing in
        ["/deliveries/lost", "/anomalies/unexpected", "/presence/ghost/episodes", "/presence/missing/episodes"]
    {
        assert_eq!(number(&summary, nothing), 0, "{nothing}: {}", ended.stdout);
    }
    assert!(number(&summary, "/presence/lists/judged") > 0, "{summary}");
    assert!(number(&summary, "/connections/breakout/joined") > 0, "{summary}");
}

#[test]
fn only_speakers_send_and_each_room_has_one() {
    let target = target();
    let home = tempfile::tempdir().unwrap();
    // What comes twice is logged with its sender.
    let log = home.path().join("anomalies.jsonl");
    target.set_faults(r#"{"chat":{"duplicate":"every:1"}}"#);
    let args = ["--speakers", "10%", "--chat-rate", "20/s", "--anomaly-log", log.to_str().unwrap()];
    let mut rig = run(&target, &home.path().join("s.json"), &[&args[..], &LENIENT].concat());
    rig.wait_until_ready();
    eventually("chats in all rooms", || rooms(&target).iter().all(|room| room[1] > 5));
    assert_eq!(rig.metric("soakrig_rate_target", &["kind=\"chat\""]), 20.0);
    let (ended, summary) = rig.stop();
    agrees(&target, &ended, &summary);
    let lines = std::fs::read_to_string(&log).unwrap();
    let sender = |line: &str| serde_json::from_str::<Value>(line).unwrap()["sender"].as_str().unwrap().to_owned();
    let senders: BTreeSet<String> = lines.lines().filter(|line| line.contains("\"duplicate\"")).map(sender).collect();
    let last_of_each = ["loadtest2", "loadtest5", "loadtest8", "loadtest10"].map(str::to_owned);
    assert_eq!(senders, BTreeSet::from(last_of_each), "{}", ended.stdout);
}

#[test]
fn a_chat_that_leaks_into_another_room_of_the_run_is_unexpected_there() {
    let target = target();
    let home = tempfile::tempdir().unwrap();
    let mut rig = run(&target, &home.path().join("s.json"), &[&["--chat-rate", "30/s"][..], &LENIENT].concat());
    rig.wait_until_ready();
    let injected = || target.counts().pointer("/injected/leak").and_then(Value::as_u64).unwrap_or(0);
    target.set_faults(r#"{"chat":{"leak":"every:3"}}"#);
    eventually("enough leaks", || injected() > 100);
    target.set_faults(r#"{"chat":{"leak":"never"}}"#);
    eventually("each is counted", || {
        rig.metric("soakrig_delivery_anomalies_total", &["kind=\"unexpected\"", "origin=\"local\""])
            == injected() as f64
    });
    let (ended, summary) = rig.stop();
    agrees(&target, &ended, &summary);
    assert_eq!(number(&summary, "/anomalies/unexpected"), injected(), "{}", ended.stdout);
    for nothing in ["/deliveries/lost", "/foreign", "/remote/anomalies/unexpected", "/anomalies/duplicate"] {
        assert_eq!(number(&summary, nothing), 0, "{nothing}: {}", ended.stdout);
    }
}
