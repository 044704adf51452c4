//! Whatever the network and the server do: the rig lives, counts it under its own name, and has
//! the set load back within a minute of its end.

use std::time::Duration;

use crate::ordeal::{Fault, How, at_once, knobs};
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
/// What a user may run into who comes back to a server that is not yet well.
const TRANSPORT: &[&str] = &["connection_refused", "connection_reset", "connection_closed", "timeout"];
const CUT_HALF: &str = r#"{"do":"cut","share":0.5}"#;

#[rustfmt::skip]
const CHATS: &[Fault] = &[
    knobs("chats dropped", r#"{"chat":{"drop":"20%"}}"#, &[], &[(DELIVERIES, "lost")], &[]),
    knobs("chats twice", r#"{"chat":{"duplicate":"20%"}}"#, &[], &[(ANOMALIES, "duplicate")], &[]),
    knobs("chats late", r#"{"chat":{"delay":"20%","delay_min":"1200ms","delay_max":"2s"}}"#, &[], &[(DELIVERIES, "late")], &[]),
    knobs("chats out of order", r#"{"chat":{"reorder":"20%","reorder_wait":"2500ms"}}"#, &[], &[(ANOMALIES, "reordered")], &[]).lasting(5),
    knobs("chats with bytes changed", r#"{"chat":{"corrupt_bytes":"20%"}}"#, &[], &[(ANOMALIES, "corrupt")], &[]),
    knobs("chats that are no JSON", r#"{"chat":{"corrupt_json":"20%"}}"#, &[], &[(ANOMALIES, "corrupt"), (ERRORS, "stage=\"receive\",kind=\"malformed\"")], &["malformed"]),
    knobs("chats with a changed marker", r#"{"chat":{"corrupt_marker":"20%"}}"#, &[], &[(ANOMALIES, "corrupt")], &[]),
    knobs("chats in fragments", r#"{"chat":{"fragment":"50%"}}"#, &[], &[(RECEIVED, "kind=\"ping\"")], &[]),
];

#[rustfmt::skip]
const FRAMES: &[Fault] = &[
    knobs("text that is not UTF-8", r#"{"chat":{"invalid_utf8":"every:60"}}"#, &[], &[(DISCONNECTS, "server,invalid_utf8")], &["invalid_utf8"]),
    knobs("frames compressed unasked", r#"{"chat":{"compressed":"every:60"}}"#, &[], &[(DISCONNECTS, "server,protocol_violation")], &["protocol"]),
    knobs("frames at the limit", r#"{"chat":{"oversize":"every:60","oversize_bytes":1048576}}"#, &[], &[(RECEIVED, "embeds")], &[]).costly(),
    knobs("frames over the limit", r#"{"chat":{"oversize":"every:60","oversize_bytes":1048577}}"#, &[], &[(DISCONNECTS, "server,frame_too_large")], &["frame_too_large"]),
    knobs("frames cut in the middle", r#"{"chat":{"truncate":"every:60"}}"#, &[], &[(DISCONNECTS, "server,no_close_frame")], &["connection_closed"]),
];

#[rustfmt::skip]
const CLOSES: &[Fault] = &[
    knobs("close 1000", "{}", &[r#"{"do":"close","code":1000,"share":0.5}"#], &[(DISCONNECTS, "server,\"normal\"")], &[]),
    knobs("close 1001", "{}", &[r#"{"do":"close","code":1001,"share":0.5}"#], &[(DISCONNECTS, "server,going_away")], &[]),
    knobs("close 1009", "{}", &[r#"{"do":"close","code":1009,"share":0.5}"#], &[(DISCONNECTS, "server,message_too_big")], &[]),
    knobs("close 1011", "{}", &[r#"{"do":"close","code":1011,"share":0.5}"#], &[(DISCONNECTS, "server,internal_error")], &[]),
    knobs("close 1012", "{}", &[r#"{"do":"close","code":1012,"share":0.5}"#], &[(DISCONNECTS, "server,service_restart")], &[]),
    knobs("close 4000", "{}", &[r#"{"do":"close","code":4000,"share":0.5}"#], &[(DISCONNECTS, "server,application")], &[]),
    knobs("the end without a close frame", "{}", &[r#"{"do":"cut","share":1.0}"#], &[(DISCONNECTS, "server,no_close_frame")], &[]),
    knobs("TCP reset", "{}", &[r#"{"do":"reset","share":1.0}"#], &[(DISCONNECTS, "network,reset")], &[]),
];

#[rustfmt::skip]
const UPGRADES: &[Fault] = &[
    knobs("upgrades answered 403", r#"{"socket":{"refuse_upgrade":"100%","refuse_status":403}}"#, &[CUT_HALF], &[(FAILURES, "over_capacity")], &["over_capacity"]),
    knobs("upgrades answered 500", r#"{"socket":{"refuse_upgrade":"100%","refuse_status":500}}"#, &[CUT_HALF], &[(FAILURES, "internal_error")], &["internal_error"]),
    knobs("upgrades answered 503", r#"{"socket":{"refuse_upgrade":"100%","refuse_status":503}}"#, &[CUT_HALF], &[(FAILURES, "unavailable")], &["unavailable"]),
    knobs("upgrades answered 429, for a year", r#"{"socket":{"refuse_upgrade":"100%","refuse_status":429,"retry_after":31536000}}"#, &[CUT_HALF], &[(FAILURES, "too_many_requests")], &["too_many_requests"]),
    knobs("upgrades that hang", r#"{"socket":{"hang_upgrade":"100%"}}"#, &[CUT_HALF], &[(FAILURES, "timeout")], &["timeout"]),
];

#[rustfmt::skip]
const PAGES: &[Fault] = &[
    knobs("pages answered 500", r#"{"http":{"error":"100%"}}"#, &[CUT_HALF], &[(ERRORS, "event,internal_error")], &["internal_error"]),
    knobs("pages that begin late", r#"{"http":{"slow_first_byte":"100%","slow_by":"5s"}}"#, &[CUT_HALF], &[(ERRORS, "event,timeout")], &["timeout"]),
    knobs("pages that come slowly", r#"{"http":{"slow_body":"100%","slow_by":"1s"}}"#, &[CUT_HALF], &[(ERRORS, "event,timeout")], &["timeout"]),
    knobs("pages without an end", r#"{"http":{"endless_body":"100%"}}"#, &[CUT_HALF], &[(ERRORS, "event")], &["body_too_large", "timeout"]).costly(),
    knobs("forms without their CSRF field", r#"{"http":{"no_csrf":"100%"}}"#, &[r#"{"do":"forget_sessions"}"#, CUT_HALF], &[(ERRORS, "login,no_csrf")], &["no_csrf"]),
    knobs("pages without __INITIAL_STATE__", r#"{"http":{"no_state":"100%"}}"#, &[CUT_HALF], &[(ERRORS, "event,no_state")], &["no_state"]),
    knobs("sessions forgotten", "{}", &[r#"{"do":"forget_sessions"}"#, r#"{"do":"cut","share":1.0}"#], &[(OPERATIONS, "login")], &[]),
];

#[rustfmt::skip]
const SILENCES: &[Fault] = &[
    knobs("a flood of member lists", r#"{"presence":{"flood":100}}"#, &[r#"{"do":"flood","times":500}"#, CUT_HALF], &[(RECEIVED, "\"presence\"")], &[]).costly(),
    knobs("the server stops reading", r#"{"socket":{"deaf":1.0}}"#, &[], &[(DELIVERIES, "lost")], &[]).lasting(5),
    knobs("the server stops writing", r#"{"socket":{"mute":1.0}}"#, &[], &[(DELIVERIES, "lost")], &[]).lasting(5),
    knobs("the server lets nobody in", r#"{"socket":{"mute":1.0}}"#, &[CUT_HALF], &[(FAILURES, "no_presence")], &["no_presence"]),
    knobs("the server stands still", "{}", &[r#"{"do":"stall","ms":5000}"#], &[(DELIVERIES, "lost")], &[]).lasting(5),
];

const fn wire(
    name: &'static str,
    weather: NetworkConditions,
    reset: bool,
    shows: &'static [(&'static str, &'static str)],
    kinds: &'static [&'static str],
) -> Fault {
    Fault { name, how: How::Wire(weather, reset), lasts: Duration::from_secs(3), shows, kinds, cpu: 0.6 }
}

#[rustfmt::skip]
const WIRE: &[Fault] = &[
    wire("the wire is slow", NetworkConditions { delay: Duration::from_millis(300), ..CLEAR }, false, &[], &[]),
    wire("the wire stalls", NetworkConditions { stalled: true, ..CLEAR }, false, &[(DELIVERIES, "lost")], &[]).lasting(5),
    wire("the wire resets", CLEAR, true, &[(DISCONNECTS, "network,reset")], &[]),
    wire("the wire refuses", NetworkConditions { refuses: true, ..CLEAR }, true, &[(ERRORS, "event,connection_reset")], TRANSPORT),
    wire("the wire cuts mid-frame", NetworkConditions { cut_after: Some(3001), ..CLEAR }, false, &[(DISCONNECTS, "server,no_close_frame")], TRANSPORT),
];

const fn process(
    name: &'static str,
    how: How,
    shows: &'static [(&'static str, &'static str)],
    kinds: &'static [&'static str],
) -> Fault {
    Fault { name, how, lasts: Duration::from_secs(5), shows, kinds, cpu: 0.6 }
}

#[rustfmt::skip]
const PROCESSES: &[Fault] = &[
    process("the server is frozen", How::Frozen, &[(DELIVERIES, "lost")], &[]),
    process("the server is killed", How::Killed, &[(DISCONNECTS, ""), (ERRORS, "event,connection_refused")], TRANSPORT),
    process("the server is frozen again", How::Frozen, &[(DELIVERIES, "lost")], &[]),
];

#[test]
fn chats_and_frames_that_are_wrong() {
    at_once(&[(false, &[], CHATS), (false, &["--max-frame", "1MiB"], FRAMES)]);
}

#[test]
fn connections_that_end_and_upgrades_that_fail() {
    at_once(&[(false, &[], CLOSES), (false, &[], UPGRADES)]);
}

#[test]
fn pages_that_are_wrong_and_servers_that_stop() {
    at_once(&[(false, &[], PAGES), (false, &[], SILENCES)]);
}

#[test]
fn wires_that_break_and_processes_that_die() {
    at_once(&[(true, &[], WIRE), (false, &[], PROCESSES)]);
}

#[test]
fn visits_to_breakouts_end_with_the_server_and_begin_again() {
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
    eventually("somebody has visited one", || visited(&rig) > 5.0);
    target.set_faults(r#"{"socket":{"refuse_upgrade":"100%"}}"#);
    eventually("others are refused", || count(&rig, FAILURES, &["unavailable"]) > 2.0);
    eventually("nobody is in one", || open(&rig) == 0.0);
    target.clear_faults();
    let before = visited(&rig);
    eventually("others are not", || visited(&rig) > before + 5.0);
    eventually("somebody is in one", || open(&rig) > 0.0);
    let address = target.kill();
    eventually("their visits are over", || open(&rig) == 0.0);
    let _target = Target::listen(&address, &control);
    let before = visited(&rig);
    eventually("they come again", || visited(&rig) > before + 5.0);
    assert!(open(&rig) <= 20.0);
    rig.process.signal(Signal::SIGTERM);
    let (ended, summary) = rig.end(PATIENCE);
    assert!(matches!(ended.code, Some(0 | 106)) && balances(&summary), "{}", ended.stdout);
    let sockets = &summary["connections"]["breakout"];
    let total =
        |counts: &serde_json::Value| counts.as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum::<u64>();
    let ends = sockets["disconnects"].as_object().unwrap().values().map(total).sum::<u64>();
    assert_eq!(number(sockets, "/attempts"), total(&sockets["failures"]) + ends, "every visit has an end: {sockets}");
}
