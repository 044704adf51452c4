//! Many rooms in one run, held against what the server counted in each.

use std::collections::BTreeSet;
use std::path::Path;

use crate::support::{Ended, LENIENT, Rig, Target, balances, eventually, number, sum};
use serde_json::Value;

/// Eleven users in four rooms, numbered from 7: 3, 3, 3 and 2.
const ROOMS: [&str; 6] = ["--rooms", "4", "--room-min", "7", "--user-range-max", "11"];
const QUICK: [&str; 6] = ["--ramp", "90/s", "--sign-in-rate", "90/s", "--connect-rate", "90/s"];
/// Leaving and rejoining do not matter here,
const CALM: [&str; 2] = ["--disable-event-leaving", "--disable-breakout-joining"];
/// nor does the machine's speed.
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
    // While a user joins, either side may count it before the other.
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
    // A duplicate is logged with its sender.
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
    let worst = summary.pointer("/rooms/worst").unwrap().as_array().unwrap();
    let leaked: u64 = worst.iter().map(|room| number(room, "/leaked")).sum();
    assert_eq!(leaked, injected(), "where they arrived: {}", ended.stdout);
    assert!(ended.stdout.contains("of other rooms arrived"), "{}", ended.stdout);
    for nothing in ["/deliveries/lost", "/foreign", "/remote/anomalies/unexpected", "/anomalies/duplicate"] {
        assert_eq!(number(&summary, nothing), 0, "{nothing}: {}", ended.stdout);
    }
}

/// Two shards of eleven users in three rooms: the second room is in both.
fn shard(target: &Target, cache: &Path, index: u32) -> Rig {
    let shard = format!("{index}/2");
    let fleet = ["--shard", &shard, "--run-id", "fleet", "--password", "the-fleets-own"];
    let load = ["--rooms", "3", "--room-min", "7", "--user-range-max", "11", "--chat-rate", "40/s"];
    let judged = ["--delivery-horizon", "3s", "--delivery-deadline", "2s"];
    let cache = cache.join(format!("{index}.sessions"));
    Rig::run(&target.url, "event-%s", &cache, &[&fleet[..], &load, &judged, &QUICK, &CALM, &LENIENT].concat())
}

#[test]
fn shards_that_share_a_room_merge_to_what_the_server_counted_in_each_room() {
    let target = target();
    let home = tempfile::tempdir().unwrap();
    let mut rigs: Vec<Rig> = (0..2).map(|index| shard(&target, home.path(), index)).collect();
    rigs.iter_mut().for_each(Rig::wait_until_ready);
    assert_eq!(rooms(&target).iter().map(|room| room[0]).collect::<Vec<_>>(), [4, 4, 3, 0]);
    let heard = |rig: &Rig| rig.metric("soakrig_deliveries_total", &["origin=\"remote\"", "outcome=\"on_time\""]);
    eventually("the shared room is heard by both", || rigs.iter().all(|rig| heard(rig) > 20.0));
    let dropped = || target.counts().pointer("/injected/drop").and_then(Value::as_u64).unwrap_or(0);
    target.set_faults(r#"{"chat":{"drop":"every:3"}}"#);
    eventually("enough is dropped", || dropped() > 60);
    target.set_faults(r#"{"chat":{"drop":"never"}}"#);
    let lost = |rig: &Rig| rig.metric("soakrig_deliveries_total", &["outcome=\"lost\""]) as u64;
    eventually("each has its verdict", || rigs.iter().map(lost).sum::<u64>() == dropped());
    let mut files = Vec::new();
    for (index, rig) in rigs.into_iter().enumerate() {
        let (ended, summary) = rig.stop();
        assert!(balances(&summary), "{}", ended.stdout);
        files.push(home.path().join(format!("{index}.json")));
        std::fs::write(&files[index], summary.to_string()).unwrap();
    }
    let (_, page, whole) = crate::fleet::merge(&files, &home.path().join("whole.json"));
    let lost = number(&whole, "/deliveries/lost") + number(&whole, "/remote/deliveries/lost");
    assert_eq!(lost, dropped(), "{page}");
    let worst = whole.pointer("/rooms/worst").unwrap().as_array().unwrap();
    let names: BTreeSet<&str> = worst.iter().map(|room| room["room"].as_str().unwrap()).collect();
    assert_eq!(names, BTreeSet::from(["event-7", "event-8", "event-9"]), "each once: {page}");
    assert_eq!(worst.iter().map(|room| number(room, "/lost")).sum::<u64>(), lost, "{page}");
    for (due, name) in rooms(&target).iter().map(|room| room[2]).zip(["event-7", "event-8", "event-9"]) {
        let room = worst.iter().find(|room| room["room"] == name).unwrap();
        let n = |key| number(room, &format!("/{key}"));
        assert_eq!(n("expected"), n("on_time") + n("late") + n("lost") + n("excused") + n("outstanding"), "{page}");
        // A message sent before a user joined is due by the server's count, but not expected.
        assert!(n("expected") <= due && n("expected") * 10 > due * 5, "{name}: {due} due\n{page}");
    }
    assert!(page.contains("the worst of them"), "{page}");
}
