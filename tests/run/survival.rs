//! Faults of the network and the server: the run survives each, counts it under its own name, and
//! recovers the set load.

use std::time::Duration;

use crate::fault_harness::{Fault, Method, run_in_parallel, settings};
use crate::support::{LENIENT, PATIENCE, Rig, Target, balances, eventually, number};
use nix::sys::signal::Signal;
use soakrig::server::proxy::NetworkConditions;

const CLEAR: NetworkConditions =
    NetworkConditions { delay: Duration::ZERO, stalled: false, refuses: false, cut_after: None };
const DELIVERIES: &str = "soakrig_deliveries_total";
const ANOMALIES: &str = "soakrig_delivery_anomalies_total";
const DISCONNECTS: &str = "soakrig_disconnects_total";
const ERRORS: &str = "soakrig_errors_total";
const FAILURES: &str = "soakrig_connect_failures_total";
const RECEIVED: &str = "soakrig_messages_received_total";
const OPERATIONS: &str = "soakrig_operations_total";
/// Errors of users that reconnect to a server that has not recovered yet.
const TRANSPORT: &[&str] = &["connection_refused", "connection_reset", "connection_closed", "timeout"];
const CUT_HALF: &str = r#"{"do":"cut","share":0.5}"#;

#[rustfmt::skip]
const CHATS: &[Fault] = &[
    settings("chats dropped", r#"{"chat":{"drop":"20%"}}"#, &[], &[(DELIVERIES, "lost")], &[]),
    settings("chats twice", r#"{"chat":{"duplicate":"20%"}}"#, &[], &[(ANOMALIES, "duplicate")], &[]),
    settings("chats late", r#"{"chat":{"delay":"20%","delay_min":"1200ms","delay_max":"2s"}}"#, &[], &[(DELIVERIES, "late")], &[]),
    settings("chats out of order", r#"{"chat":{"reorder":"20%","reorder_wait":"2500ms"}}"#, &[], &[(ANOMALIES, "reordered")], &[]).lasting(5),
    settings("chats with bytes changed", r#"{"chat":{"corrupt_bytes":"20%"}}"#, &[], &[(ANOMALIES, "corrupt")], &[]),
    settings("chats that are no JSON", r#"{"chat":{"corrupt_json":"20%"}}"#, &[], &[(ANOMALIES, "corrupt"), (ERRORS, "stage=\"receive\",kind=\"malformed\"")], &["malformed"]),
    settings("chats with a changed marker", r#"{"chat":{"corrupt_marker":"20%"}}"#, &[], &[(ANOMALIES, "corrupt")], &[]),
    settings("chats in fragments", r#"{"chat":{"fragment":"50%"}}"#, &[], &[(RECEIVED, "kind=\"ping\"")], &[]),
];

#[rustfmt::skip]
const FRAMES: &[Fault] = &[
    settings("text that is not UTF-8", r#"{"chat":{"invalid_utf8":"every:60"}}"#, &[], &[(DISCONNECTS, "server,invalid_utf8")], &["invalid_utf8"]),
    settings("frames compressed unasked", r#"{"chat":{"compressed":"every:60"}}"#, &[], &[(DISCONNECTS, "server,protocol_violation")], &["protocol"]),
    settings("frames at the limit", r#"{"chat":{"oversize":"every:60","oversize_bytes":1048576}}"#, &[], &[(RECEIVED, "embeds")], &[]).costly(),
    settings("frames over the limit", r#"{"chat":{"oversize":"every:60","oversize_bytes":1048577}}"#, &[], &[(DISCONNECTS, "server,frame_too_large")], &["frame_too_large"]),
    settings("frames cut in the middle", r#"{"chat":{"truncate":"every:60"}}"#, &[], &[(DISCONNECTS, "server,no_close_frame")], &["connection_closed"]),
];

#[rustfmt::skip]
const CLOSES: &[Fault] = &[
    settings("close 1000", "{}", &[r#"{"do":"close","code":1000,"share":0.5}"#], &[(DISCONNECTS, "server,\"normal\"")], &[]),
    settings("close 1001", "{}", &[r#"{"do":"close","code":1001,"share":0.5}"#], &[(DISCONNECTS, "server,going_away")], &[]),
    settings("close 1009", "{}", &[r#"{"do":"close","code":1009,"share":0.5}"#], &[(DISCONNECTS, "server,message_too_big")], &[]),
    settings("close 1011", "{}", &[r#"{"do":"close","code":1011,"share":0.5}"#], &[(DISCONNECTS, "server,internal_error")], &[]),
    settings("close 1012", "{}", &[r#"{"do":"close","code":1012,"share":0.5}"#], &[(DISCONNECTS, "server,service_restart")], &[]),
    settings("close 4000", "{}", &[r#"{"do":"close","code":4000,"share":0.5}"#], &[(DISCONNECTS, "server,application")], &[]),
    settings("the end without a close frame", "{}", &[r#"{"do":"cut","share":1.0}"#], &[(DISCONNECTS, "server,no_close_frame")], &[]),
    settings("TCP reset", "{}", &[r#"{"do":"reset","share":1.0}"#], &[(DISCONNECTS, "network,reset")], &[]),
];

#[rustfmt::skip]
const UPGRADES: &[Fault] = &[
    settings("upgrades answered 403", r#"{"socket":{"refuse_upgrade":"100%","refuse_status":403}}"#, &[CUT_HALF], &[(FAILURES, "over_capacity")], &["over_capacity"]),
    settings("upgrades answered 500", r#"{"socket":{"refuse_upgrade":"100%","refuse_status":500}}"#, &[CUT_HALF], &[(FAILURES, "internal_error")], &["internal_error"]),
    settings("upgrades answered 503", r#"{"socket":{"refuse_upgrade":"100%","refuse_status":503}}"#, &[CUT_HALF], &[(FAILURES, "unavailable")], &["unavailable"]),
    settings("upgrades answered 429, for a year", r#"{"socket":{"refuse_upgrade":"100%","refuse_status":429,"retry_after":31536000}}"#, &[CUT_HALF], &[(FAILURES, "too_many_requests")], &["too_many_requests"]),
    settings("upgrades that hang", r#"{"socket":{"hang_upgrade":"100%"}}"#, &[CUT_HALF], &[(FAILURES, "timeout")], &["timeout"]),
];

#[rustfmt::skip]
const PAGES: &[Fault] = &[
    settings("pages answered 500", r#"{"http":{"error":"100%"}}"#, &[CUT_HALF], &[(ERRORS, "event,internal_error")], &["internal_error"]),
    settings("pages that begin late", r#"{"http":{"slow_first_byte":"100%","slow_by":"5s"}}"#, &[CUT_HALF], &[(ERRORS, "event,timeout")], &["timeout"]),
    settings("pages that come slowly", r#"{"http":{"slow_body":"100%","slow_by":"1s"}}"#, &[CUT_HALF], &[(ERRORS, "event,timeout")], &["timeout"]),
    settings("pages without an end", r#"{"http":{"endless_body":"100%"}}"#, &[CUT_HALF], &[(ERRORS, "event")], &["body_too_large", "timeout"]).costly(),
    settings("forms without their CSRF field", r#"{"http":{"no_csrf":"100%"}}"#, &[r#"{"do":"forget_sessions"}"#, CUT_HALF], &[(ERRORS, "login,no_csrf")], &["no_csrf"]),
    settings("pages without __INITIAL_STATE__", r#"{"http":{"no_state":"100%"}}"#, &[CUT_HALF], &[(ERRORS, "event,no_state")], &["no_state"]),
    settings("sessions forgotten", "{}", &[r#"{"do":"forget_sessions"}"#, r#"{"do":"cut","share":1.0}"#], &[(OPERATIONS, "login")], &[]),
];

#[rustfmt::skip]
const SILENCES: &[Fault] = &[
    settings("a flood of member lists", r#"{"presence":{"flood":100}}"#, &[r#"{"do":"flood","times":500}"#, CUT_HALF], &[(RECEIVED, "\"presence\"")], &[]).costly(),
    settings("the server stops reading", r#"{"socket":{"deaf":1.0}}"#, &[], &[(DELIVERIES, "lost")], &[]).lasting(5),
    settings("the server stops writing", r#"{"socket":{"mute":1.0}}"#, &[], &[(DELIVERIES, "lost")], &[]).lasting(5),
    settings("the server sends no member list", r#"{"socket":{"mute":1.0}}"#, &[CUT_HALF], &[(FAILURES, "no_presence")], &["no_presence"]),
    settings("the server stalls", "{}", &[r#"{"do":"stall","ms":5000}"#], &[(DELIVERIES, "lost")], &[]).lasting(5),
];

const fn network(
    name: &'static str,
    conditions: NetworkConditions,
    reset: bool,
    shows: &'static [(&'static str, &'static str)],
    kinds: &'static [&'static str],
) -> Fault {
    Fault { name, method: Method::Network(conditions, reset), lasts: Duration::from_secs(3), shows, kinds, cpu: 0.6 }
}

#[rustfmt::skip]
const NETWORK: &[Fault] = &[
    network("the network is slow", NetworkConditions { delay: Duration::from_millis(300), ..CLEAR }, false, &[], &[]),
    network("the network stalls", NetworkConditions { stalled: true, ..CLEAR }, false, &[(DELIVERIES, "lost")], &[]).lasting(5),
    network("the network resets", CLEAR, true, &[(DISCONNECTS, "network,reset")], &[]),
    network("the network refuses", NetworkConditions { refuses: true, ..CLEAR }, true, &[(ERRORS, "event,connection_reset")], TRANSPORT),
    network("the network cuts mid-frame", NetworkConditions { cut_after: Some(3001), ..CLEAR }, false, &[(DISCONNECTS, "server,no_close_frame")], TRANSPORT),
];

const fn process(
    name: &'static str,
    method: Method,
    shows: &'static [(&'static str, &'static str)],
    kinds: &'static [&'static str],
) -> Fault {
    Fault { name, method, lasts: Duration::from_secs(5), shows, kinds, cpu: 0.6 }
}

#[rustfmt::skip]
const PROCESSES: &[Fault] = &[
    process("the server is frozen", Method::Frozen, &[(DELIVERIES, "lost")], &[]),
    process("the server is killed", Method::Killed, &[(DISCONNECTS, ""), (ERRORS, "event,connection_refused")], TRANSPORT),
    process("the server is frozen again", Method::Frozen, &[(DELIVERIES, "lost")], &[]),
];

#[test]
fn a_run_recovers_from_faulty_chats_and_frames() {
    run_in_parallel(&[(false, &[], CHATS), (false, &["--max-frame", "1MiB"], FRAMES)]);
}

#[test]
fn a_run_recovers_from_disconnects_and_failed_upgrades() {
    run_in_parallel(&[(false, &[], CLOSES), (false, &[], UPGRADES)]);
}

#[test]
fn a_run_recovers_from_faulty_pages_and_stalled_servers() {
    run_in_parallel(&[(false, &[], PAGES), (false, &[], SILENCES)]);
}

#[test]
fn a_run_recovers_from_network_faults_and_killed_servers() {
    run_in_parallel(&[(true, &[], NETWORK), (false, &[], PROCESSES)]);
}

#[test]
fn breakout_visits_end_with_the_server_and_resume() {
    let control = ["--control", "127.0.0.1:0"];
    let target = Target::start(&control);
    let cache = tempfile::tempdir().unwrap();
    let load = ["--user-range-max", "20", "--chat-rate", "5/s", "--disable-event-leaving", "--breakout-rate", "5/s"];
    let quick = ["--breakout-stay", "1s..3s", "--ramp", "100/s", "--sign-in-rate", "100/s", "--connect-rate", "100/s"];
    let args = [&load[..], &quick, &LENIENT, &["--http-timeout", "2s"]].concat();
    let mut rig = Rig::run(&target.url, "test", &cache.path().join("s.json"), &args);
    rig.wait_until_ready();
    let count =
        |rig: &Rig, metric: &str, labels: &[&str]| rig.metric(metric, &[&["socket=\"breakout\""], labels].concat());
    let visited = |rig: &Rig| count(rig, DISCONNECTS, &["initiator=\"user\"", "reason=\"left\""]);
    let open = |rig: &Rig| count(rig, "soakrig_connections", &[]);
    eventually("some breakouts were visited", || visited(&rig) > 5.0);
    target.set_faults(r#"{"socket":{"refuse_upgrade":"100%"}}"#);
    eventually("visits are refused", || count(&rig, FAILURES, &["unavailable"]) > 2.0);
    eventually("no breakout is open", || open(&rig) == 0.0);
    target.clear_faults();
    let before = visited(&rig);
    eventually("visits succeed again", || visited(&rig) > before + 5.0);
    eventually("a breakout is open", || open(&rig) > 0.0);
    let address = target.kill();
    eventually("all visits have ended", || open(&rig) == 0.0);
    let _target = Target::listen(&address, &control);
    let before = visited(&rig);
    eventually("visits resume", || visited(&rig) > before + 5.0);
    assert!(open(&rig) <= 20.0);
    rig.process.signal(Signal::SIGTERM);
    let (ended, summary) = rig.end(PATIENCE);
    assert!(matches!(ended.code, Some(0 | 106)) && balances(&summary), "{}", ended.stdout);
    assert_every_attempt_has_an_end(&summary, "breakout");
}

#[test]
fn an_attempt_cut_short_by_its_own_user_has_an_end() {
    let target = Target::start(&["--control", "127.0.0.1:0"]);
    let cache = tempfile::tempdir().unwrap();
    let load = ["--user-range-max", "20", "--chat-rate", "5/s", "--breakout-rate", "20/s", "--leave-rate", "5/s"];
    let quick = ["--away", "1s..2s", "--ramp", "100/s", "--sign-in-rate", "100/s", "--connect-rate", "100/s"];
    let args = [&load[..], &quick, &LENIENT, &["--http-timeout", "60s"]].concat();
    let mut rig = Rig::run(&target.url, "test", &cache.path().join("s.json"), &args);
    rig.wait_until_ready();
    target.set_faults(r#"{"socket":{"hang_upgrade":"100%"}}"#);
    let cut_short = |rig: &Rig| rig.metric(FAILURES, &["socket=\"breakout\"", "stopping"]);
    eventually("users left while a breakout hung", || cut_short(&rig) > 2.0);
    target.clear_faults();
    rig.process.signal(Signal::SIGTERM);
    let (ended, summary) = rig.end(PATIENCE);
    assert!(balances(&summary), "{}", ended.stdout);
    assert_every_attempt_has_an_end(&summary, "breakout");
    assert_every_attempt_has_an_end(&summary, "plenary");
}

fn assert_every_attempt_has_an_end(summary: &serde_json::Value, socket: &str) {
    let sockets = &summary["connections"][socket];
    let total =
        |counts: &serde_json::Value| counts.as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum::<u64>();
    let ends = sockets["disconnects"].as_object().unwrap().values().map(total).sum::<u64>();
    assert_eq!(number(sockets, "/attempts"), total(&sockets["failures"]) + ends, "every attempt has an end: {sockets}");
}
