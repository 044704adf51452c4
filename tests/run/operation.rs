//! The rig as an operator starts it: real processes, real sockets, the embedded target.

use crate::support::{PATIENCE, Rig, Target, balances, eventually, number};
use nix::sys::signal::Signal;

#[test]
fn a_demo_loses_nothing_and_agrees_with_its_target() {
    let rig = Rig::demo(&[
        "--user-range-max",
        "30",
        "--chat-rate",
        "20/s",
        "--ramp",
        "30/s",
        "--sign-in-rate",
        "100/s",
        "--connect-rate",
        "100/s",
        "--duration",
        "8s",
    ]);
    let (ended, summary) = rig.end(PATIENCE);
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stdout, ended.stderr);
    assert!(balances(&summary), "{summary}");
    assert!(number(&summary, "/deliveries/expected") > 100, "{}", ended.stdout);
    for nothing in ["/deliveries/lost", "/deliveries/late", "/deliveries/outstanding"] {
        assert_eq!(number(&summary, nothing), 0, "{nothing}");
    }
    for anomaly in ["duplicate", "reordered", "unexpected", "corrupt"] {
        assert_eq!(number(&summary, &format!("/anomalies/{anomaly}")), 0, "{anomaly}");
    }
    assert!(ended.stdout.contains("the two agree"), "{}", ended.stdout);
    assert!(ended.stderr.contains("metrics on http://127.0.0.1:"), "{}", ended.stderr);
}

#[test]
fn two_generators_share_a_target_without_signing_up_twice() {
    let target = Target::start(&["--presence", "batched:1s"]);
    let cache = tempfile::tempdir().unwrap();
    let cache = cache.path().join("sessions.json");
    for round in 0..2 {
        let rigs = [("0", "15"), ("15", "30")].map(|(min, max)| {
            let range = ["--user-range-min", min, "--user-range-max", max];
            let quick = ["--ramp", "50/s", "--sign-in-rate", "50/s", "--connect-rate", "50/s"];
            let rest = ["--chat-rate", "5/s"];
            Rig::run(&target.url, "test", &cache, &[&range[..], &quick[..], &rest[..]].concat())
        });
        let mut rigs = rigs;
        rigs.iter_mut().for_each(Rig::wait_until_ready);
        let expected = |rig: &Rig| rig.metric("soakrig_deliveries_expected_total", &[]);
        eventually("both chat", || rigs.iter().all(|rig| expected(rig) > 0.0));
        for rig in rigs {
            let (ended, summary) = rig.stop();
            assert_eq!(ended.code, Some(0), "{}\n{}", ended.stdout, ended.stderr);
            assert!(balances(&summary));
        }
        let counts = target.counts();
        assert_eq!(number(&counts, "/accounts/signed_up"), 30, "round {round}");
        assert_eq!(number(&counts, "/http/signup_posts"), 30, "round {round}");
        assert_eq!(number(&counts, "/accounts/logged_in"), 0, "round {round}");
    }
}

#[test]
fn all_users_reconnect_after_a_restart_of_the_target() {
    let target = Target::start(&["--presence", "batched:1s"]);
    let cache = tempfile::tempdir().unwrap();
    let args = [
        "--user-range-max",
        "40",
        "--ramp",
        "100/s",
        "--sign-in-rate",
        "100/s",
        "--connect-rate",
        "100/s",
        "--chat-rate",
        "10/s",
        "--disable-event-leaving",
    ];
    let mut rig = Rig::run(&target.url, "test", &cache.path().join("s.json"), &args);
    rig.wait_until_ready();
    let address = target.kill();
    eventually("everybody is cut off", || rig.metric("soakrig_users", &["state=\"connected\""]) == 0.0);
    let target = Target::listen(&address, &["--presence", "batched:1s"]);
    eventually("everybody is back", || {
        let scrape = rig.scrape();
        assert_eq!(crate::support::sum(&scrape, "soakrig_users", &[]), 40.0, "the states sum up");
        crate::support::sum(&scrape, "soakrig_users", &["state=\"connected\""]) == 40.0
    });
    assert_eq!(number(&target.counts(), "/accounts/signed_up"), 40);
    rig.process.signal(Signal::SIGTERM);
    let (ended, summary) = rig.end(PATIENCE);
    assert!(balances(&summary), "{}", ended.stdout);
    assert_eq!(number(&summary, "/deliveries/lost"), 0, "what was under way is excused: {}", ended.stdout);
}

#[test]
fn the_first_signal_settles_deliveries_and_the_second_exits() {
    let target = Target::start(&[]);
    let cache = tempfile::tempdir().unwrap();
    let cache = cache.path().join("s.json");
    let mut rig = Rig::run(&target.url, "test", &cache, &["--chat-rate", "20/s"]);
    rig.wait_until_ready();
    rig.process.signal(Signal::SIGINT);
    let (ended, summary) = rig.end(PATIENCE);
    assert_eq!(ended.code, Some(0), "{}", ended.stdout);
    assert_eq!(number(&summary, "/deliveries/outstanding"), 0);
    eventually("all sockets are closed", || number(&target.counts(), "/sockets/open_now") == 0);
    assert_eq!(number(&target.counts(), "/sockets/ended_without_close"), 0);

    let target = Target::start(&["--fault-drop", "50%"]);
    let mut rig = Rig::run(&target.url, "test", &cache.with_file_name("t.json"), &["--chat-rate", "20/s"]);
    rig.wait_until_ready();
    eventually("something is outstanding", || rig.metric("soakrig_messages_sent_total", &["kind=\"chat\""]) > 20.0);
    rig.process.signal(Signal::SIGTERM);
    rig.process.wait_for_line("a second signal ends at once");
    rig.process.signal(Signal::SIGTERM);
    let (ended, summary) = rig.end(PATIENCE);
    assert_eq!(ended.code, Some(105), "{}", ended.stdout);
    assert!(number(&summary, "/deliveries/outstanding") > 0 && balances(&summary), "{}", ended.stdout);
}

#[test]
fn each_refusal_at_the_start_exits_107_with_its_reason() {
    let target = Target::start(&[]);
    let cache = tempfile::tempdir().unwrap();
    let refused = |url: &str, slug: &str, args: &[&str], word: &str| {
        let cache = tempfile::tempdir_in(cache.path()).unwrap();
        let ended =
            Rig::run(url, slug, &cache.path().join("s.json"), &[&["--duration", "10m"], args].concat()).end_early();
        assert_eq!(ended.code, Some(107), "{slug}: {}\n{}", ended.stdout, ended.stderr);
        assert!(ended.stdout.contains(word), "{slug}: {}", ended.stdout);
    };
    refused(&target.url, "nowhere", &[], "not found");
    refused(&target.url, "closed", &[], "event closed");
    refused(&target.url, "cancelled", &[], "event cancelled");
    refused("http://127.0.0.1:1", "test", &[], "connection refused");
    refused(&target.url, "test", &["--password", "password"], "This password is too common.");
    let mut first = Rig::run(&target.url, "test", &cache.path().join("first.json"), &["--disable-chat"]);
    first.wait_until_ready();
    let first = first.stop();
    assert_eq!(first.0.code, Some(0), "{}", first.0.stdout);
    refused(&target.url, "test", &["--password", "another-one-here"], "wrong password");
    assert_eq!(number(&target.counts(), "/accounts/logins_refused"), 1, "a wrong password is never tried again");
}

#[test]
fn a_full_event_admits_its_limit_and_counts_the_refused() {
    let target = Target::start(&[]);
    let cache = tempfile::tempdir().unwrap();
    let args = ["--user-range-max", "6", "--ramp", "50/s"];
    let mut rig = Rig::run(&target.url, "small", &cache.path().join("s.json"), &args);
    rig.wait_for_metrics();
    let refused = || rig.metric("soakrig_errors_total", &["stage=\"event\"", "kind=\"over_capacity\""]);
    eventually("some find it full", || refused() >= 3.0);
    let (ended, summary) = rig.stop();
    assert_eq!(ended.code, Some(99), "{}", ended.stdout);
    // The limit is checked before a newcomer is counted, so one more may slip in.
    assert!((2..=3).contains(&number(&summary, "/users/states/connected")), "{}", ended.stdout);
    assert!(number(&summary, "/errors/event/over_capacity") >= 3, "{summary}");
    assert!(balances(&summary));
}

#[test]
fn a_path_in_the_url_is_kept() {
    let target = Target::start(&["--prefix", "/live/chat"]);
    let cache = tempfile::tempdir().unwrap();
    let mut rig = Rig::run(&target.url, "test", &cache.path().join("s.json"), &["--chat-rate", "5/s"]);
    rig.wait_for_metrics();
    eventually("chats arrive", || rig.metric("soakrig_deliveries_total", &["outcome=\"on_time\""]) > 50.0);
    let (ended, summary) = rig.stop();
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stdout, ended.stderr);
    assert!(number(&summary, "/deliveries/on_time") > 50);
}

#[test]
fn secrets_are_in_no_output_metric_or_summary() {
    let target = Target::start(&[]);
    let cache = tempfile::tempdir().unwrap();
    let secret = "correct-horse-battery";
    let file = cache.path().join("password");
    std::fs::write(&file, secret).unwrap();
    let cache = cache.path().join("s.json");
    let args = ["--password-file", file.to_str().unwrap(), "--verbose", "--chat-rate", "5/s"];
    let mut rig = Rig::run(&target.url, "test", &cache, &args);
    rig.wait_until_ready();
    let scrape = rig.scrape();
    let command_line = std::fs::read(format!("/proc/{}/cmdline", rig.process.id())).unwrap();
    rig.process.signal(Signal::SIGINT);
    let (ended, summary) = rig.end(PATIENCE);
    let saved: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&cache).unwrap()).unwrap();
    let mut secrets = vec![secret.to_owned()];
    for session in saved["sessions"].as_object().unwrap().values() {
        secrets.extend(session["cookies"].as_array().unwrap().iter().map(|c| c[1].as_str().unwrap().to_owned()));
    }
    assert!(secrets.len() > 10, "{saved}");
    let shown =
        [ended.stdout, ended.stderr, scrape, summary.to_string(), String::from_utf8_lossy(&command_line).into_owned()];
    for secret in secrets {
        assert!(shown.iter().all(|text| !text.contains(&secret)), "{secret} was shown");
    }
    use std::os::unix::fs::PermissionsExt as _;
    assert_eq!(std::fs::metadata(&cache).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn closing_takes_no_longer_than_the_grace() {
    // No message comes back, so the stop waits only for the grace.
    let target = Target::start(&["--fault-drop", "100%"]);
    let cache = tempfile::tempdir().unwrap();
    let args = ["--grace", "1s", "--delivery-horizon", "24h", "--chat-rate", "10/s"];
    let mut rig = Rig::run(&target.url, "nobreak", &cache.path().join("s.json"), &args);
    rig.wait_for_metrics();
    eventually("chats are sent", || rig.metric("soakrig_messages_sent_total", &["kind=\"chat\""]) > 0.0);
    let (_, summary) = rig.stop();
    assert!(number(&summary, "/deliveries/outstanding") > 0, "{summary}");
    assert_eq!(number(&summary, "/deliveries/lost"), 0, "{summary}");
}
