//! Traces of a real run against a real target, as an OTLP receiver and the server see them.

use std::collections::BTreeSet;

use crate::otlp_collector::{OtlpCollector, ReceivedSpan, RecordingProxy};
use crate::support::{PATIENCE, Rig, Target, eventually};

const PASSWORD: &str = "a-password-that-is-nowhere-else";

/// Four users chat for some seconds, a hundred times per second in all.
fn run(url: &str, args: &[&str]) -> Rig {
    let cache = tempfile::tempdir().unwrap();
    let file = cache.path().join("sessions.json");
    let load = ["--user-range-max", "4", "--chat-rate", "100/s", "--disable-event-leaving", "--seed", "7"];
    // Four users may not manage to send every chat on a busy machine; that does not matter here.
    let lenient = ["--max-error-rate", "100%"];
    let quick = ["--ramp", "50/s", "--sign-in-rate", "50/s", "--connect-rate", "50/s", "--run-id", "traced"];
    Rig::run(url, "test", &file, &[&load[..], &quick[..], &lenient[..], &["--password", PASSWORD], args].concat())
}

/// Waits until all have joined and something was delivered: a run without a delivery fails.
fn until_delivered(rig: &mut Rig) {
    rig.wait_until_ready();
    eventually("deliveries", || rig.metric("soakrig_deliveries_total", &["on_time"]) > 0.0);
}

fn named<'a>(spans: &'a [ReceivedSpan], name: &str) -> Vec<&'a ReceivedSpan> {
    spans.iter().filter(|span| span.name == name).collect()
}

fn children<'a>(spans: &'a [ReceivedSpan], parent: &ReceivedSpan) -> Vec<&'a ReceivedSpan> {
    spans.iter().filter(|span| span.parent == parent.id && span.trace == parent.trace).collect()
}

fn names(spans: &[&ReceivedSpan]) -> BTreeSet<String> {
    spans.iter().map(|span| span.name.clone()).collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn http_export_matches_the_servers_traceparents() {
    let target = Target::start(&[]);
    let proxy = RecordingProxy::start(target.address());
    let collector = OtlpCollector::http();
    let mut rig = run(&proxy.url, &["--otlp-endpoint", &collector.url]);
    rig.wait_until_ready();
    // The eighth of all is traced, then one in a hundred.
    let sent = || rig.metric("soakrig_messages_sent_total", &["kind=\"chat\""]);
    eventually("chats are traced", || sent() > 150.0);
    let (ended, _) = rig.stop();
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stdout, ended.stderr);

    let resource = collector.resource();
    let version = env!("CARGO_PKG_VERSION");
    for (key, value) in [
        ("service.name", "soakrig"),
        ("service.version", version),
        ("soakrig.run_id", "traced"),
        ("soakrig.shard", "0/1"),
    ] {
        assert_eq!(resource.get(key).map(String::as_str), Some(value), "{resource:?}");
    }
    let spans = collector.spans();
    check_sign_ins_and_connects(&spans);
    check_chats(&spans);
    let known = [
        "sign_in",
        "connect",
        "chat",
        "handshake",
        "http signup.form",
        "http signup.post",
        "http event",
        "http breakout",
    ];
    let all: Vec<&ReceivedSpan> = spans.iter().collect();
    assert!(names(&all).is_subset(&set(&known)), "{:?}", names(&all));
    check_parents(&spans, &proxy);
    let bytes = collector.bytes();
    for secret in [PASSWORD, "sessionid", "csrftoken", "csrfmiddlewaretoken"] {
        assert!(!bytes.windows(secret.len()).any(|part| part == secret.as_bytes()), "{secret} is in a span");
    }
}

/// Every user's sign-in and connect, with their steps under them.
fn check_sign_ins_and_connects(spans: &[ReceivedSpan]) {
    let sign_ins = named(spans, "sign_in");
    let users: BTreeSet<_> = sign_ins.iter().map(|span| span.attributes["soakrig.user"].clone()).collect();
    assert_eq!(users, set(&["loadtest0", "loadtest1", "loadtest2", "loadtest3"]));
    for span in &sign_ins {
        assert_eq!((span.parent.as_str(), span.attributes["outcome"].as_str(), span.failed), ("", "ok", false));
        let steps = children(spans, span);
        assert_eq!(names(&steps), set(&["http signup.form", "http signup.post"]));
        assert!(steps.iter().all(|step| step.attributes["outcome"] == "ok" && step.nanos <= span.nanos), "{steps:?}");
        let posted = steps.iter().find(|step| step.name == "http signup.post").unwrap();
        assert_eq!(posted.attributes["http.response.status_code"], "302");
        assert_eq!(posted.attributes["http.request.method"], "POST");
    }
    let connects = named(spans, "connect");
    assert_eq!(connects.len(), 4, "{connects:?}");
    for span in connects {
        assert_eq!((span.parent.as_str(), span.attributes["outcome"].as_str()), ("", "ok"));
        let steps = children(spans, span);
        assert_eq!(names(&steps), set(&["http event", "handshake"]), "{steps:?}");
    }
}

/// One chat in a hundred, from the intent to the last of its deliveries.
fn check_chats(spans: &[ReceivedSpan]) {
    let chats = named(spans, "chat");
    assert!(!chats.is_empty(), "no chat is traced");
    for chat in chats {
        let seq: u64 = chat.attributes["soakrig.seq"].parse().unwrap();
        assert_eq!((seq % 100, chat.parent.as_str()), (7, ""));
        assert_eq!(chat.attributes["outcome"], "settled", "{chat:?}");
        assert_eq!(chat.attributes["soakrig.arrivals"], chat.attributes["soakrig.expected"]);
        assert_eq!(chat.events, ["first arrival"]);
        assert!(chat.nanos > 0, "{chat:?}");
    }
}

/// The parent that the server receives is the span of that very request.
fn check_parents(spans: &[ReceivedSpan], proxy: &RecordingProxy) {
    let parents = proxy.parents();
    let parented: Vec<_> = parents.iter().filter_map(|(path, parent)| Some((path, parent.as_ref()?))).collect();
    // The preflight of the event; then sign-up form and post, page and handshake of each user.
    assert!(parented.len() >= 17 && parented.len() == parents.len(), "{parents:?}");
    for (path, (trace, id)) in parented {
        let span = spans.iter().find(|span| (&span.trace, &span.id) == (trace, id));
        let span = span.unwrap_or_else(|| panic!("no span {id} of trace {trace} for {path}"));
        assert!(span.name.starts_with("http ") || span.name == "handshake", "{span:?}");
        assert_eq!(&span.attributes["url.path"], path);
    }
}

#[test]
fn grpc_export_works_without_traceparent() {
    let target = Target::start(&[]);
    let proxy = RecordingProxy::start(target.address());
    let collector = OtlpCollector::grpc();
    let mut rig = run(&proxy.url, &["--otlp-endpoint", &collector.url, "--no-traceparent"]);
    until_delivered(&mut rig);
    let (ended, _) = rig.stop();
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stdout, ended.stderr);
    check_sign_ins_and_connects(&collector.spans());
    assert_eq!(collector.resource()["soakrig.run_id"], "traced");
    let parents = proxy.parents();
    assert!(parents.len() > 8 && parents.iter().all(|(_, parent)| parent.is_none()), "{parents:?}");
}

#[test]
fn a_failed_sign_in_is_an_error_span_named_in_its_log_line() {
    let target = Target::start(&[]);
    let collector = OtlpCollector::http();
    let mut first = run(&target.url, &[]);
    until_delivered(&mut first);
    assert_eq!(first.stop().0.code, Some(0));
    let other = ["--password", "not-the-one", "--log-format", "json", "--otlp-endpoint", &collector.url];
    let cache = tempfile::tempdir().unwrap();
    let file = cache.path().join("sessions.json");
    let (ended, _) =
        Rig::run(&target.url, "test", &file, &[&["--user-range-max", "1"], &other[..]].concat()).end(PATIENCE);
    assert_eq!(ended.code, Some(107), "{}", ended.stderr);
    let spans = collector.spans();
    let [sign_in] = named(&spans, "sign_in")[..] else { panic!("{spans:?}") };
    assert!(sign_in.failed && sign_in.attributes["outcome"] == "wrong_password", "{sign_in:?}");
    let last = spans.iter().find(|span| span.name == "http login.post").unwrap();
    assert!(last.failed && last.parent == sign_in.id, "{last:?}");
    let line = ended.stderr.lines().find(|line| line.contains("step failed")).unwrap();
    let line: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!((line["trace_id"].as_str(), line["span_id"].as_str()), (Some(&*sign_in.trace), Some(&*sign_in.id)));
    let other = ended.stderr.lines().find(|line| line.contains("metrics on")).unwrap();
    assert!(!other.contains("trace_id"), "{other}");
}

#[test]
fn failed_exports_are_counted_and_logged_once() {
    let target = Target::start(&[]);
    // Bound, but it accepts nothing: connections hang, which is worse than a refusal.
    let blackhole = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let refused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for endpoint in [
        format!("http://{refused}"),
        format!("grpc://{refused}"),
        format!("http://{}", blackhole.local_addr().unwrap()),
    ] {
        let mut rig = run(&target.url, &["--otlp-endpoint", &endpoint]);
        until_delivered(&mut rig);
        eventually("spans fail", || rig.metric("soakrig_trace_spans_total", &["export_failed"]) > 0.0);
        assert_eq!(rig.metric("soakrig_trace_spans_total", &["exported"]), 0.0);
        let (ended, summary) = rig.stop();
        assert_eq!(ended.code, Some(0), "{endpoint}: {}\n{}", ended.stdout, ended.stderr);
        assert_eq!(crate::support::number(&summary, "/deliveries/lost"), 0);
        let warnings = ended.stderr.lines().filter(|line| line.contains("the endpoint does not take traces")).count();
        assert_eq!(warnings, 1, "{endpoint}: {}", ended.stderr);
    }
}

#[test]
fn without_an_endpoint_no_trace_context_is_sent() {
    let target = Target::start(&[]);
    let proxy = RecordingProxy::start(target.address());
    let mut rig = run(&proxy.url, &[]);
    until_delivered(&mut rig);
    let (ended, _) = rig.stop();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(proxy.parents().iter().all(|(_, parent)| parent.is_none()));
    assert!(!ended.stderr.contains("traces"), "{}", ended.stderr);
}
