//! What the rig reports about itself and about slow servers: no figure is embellished.

use std::time::{Duration, Instant};

use crate::support::{LENIENT, PATIENCE, Rig, Target, balances, eventually, number, sum};
use nix::sys::signal::Signal;

const QUICK: [&str; 6] = ["--ramp", "100/s", "--sign-in-rate", "100/s", "--connect-rate", "100/s"];

/// Sums the numbers of an object.
fn total(value: &serde_json::Value) -> u64 {
    value.as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum()
}

#[test]
fn a_stalled_server_does_not_change_the_schedule() {
    let target = Target::start(&["--control", "127.0.0.1:0"]);
    let cache = tempfile::tempdir().unwrap();
    let load =
        ["--user-range-max", "20", "--chat-rate", "50/s", "--disable-event-leaving", "--disable-breakout-joining"];
    let mut rig = Rig::run(&target.url, "test", &cache.path().join("s.json"), &[&QUICK[..], &load, &LENIENT].concat());
    rig.wait_until_ready();
    let intents = |scrape: &str| sum(scrape, "soakrig_operations_total", &["stage=\"send\""]);
    eventually("chats go", || rig.metric("soakrig_deliveries_total", &[]) > 0.0);
    target.act(r#"{"do":"stall","ms":3600000}"#);
    let (stalled, before) = (Instant::now(), intents(&rig.scrape()));
    eventually("eight seconds' worth of intents is issued while nothing is taken", || {
        let scrape = rig.scrape();
        let under_way = under_way(&scrape);
        // The figures of one look are not from exactly the same moment.
        assert!(under_way <= 20.0 + 5.0, "{under_way} intents are neither sent nor dropped, of 20 users");
        intents(&scrape) >= before + 8.0 * 50.0
    });
    target.act(r#"{"do":"stall","ms":0}"#);
    let stalled = stalled.elapsed().as_secs_f64();
    let (ended, summary) = rig.stop();
    assert!(balances(&summary), "{}", ended.stdout);
    let sent = number(&summary, "/messages/sent/chat");
    let dropped = total(&summary["rates"]["chat"]["dropped"]);
    assert_eq!(number(&summary, "/operations/send"), sent + dropped, "every intent is accounted for\n{}", ended.stdout);
    let max = summary["delivery_seconds"]["intended"]["max"].as_f64().unwrap();
    assert!(max > 0.8 * stalled, "time to delivery shows the stall: {max}\n{}", ended.stdout);
    assert_eq!(number(&summary, "/deliveries/lost"), 0, "{}", ended.stdout);
}

/// Intents that were issued and are neither sent nor dropped.
fn under_way(scrape: &str) -> f64 {
    let issued = sum(scrape, "soakrig_operations_total", &["stage=\"send\""]);
    let sent = sum(scrape, "soakrig_messages_sent_total", &["kind=\"chat\""]);
    issued - sent - sum(scrape, "soakrig_sends_dropped_total", &[])
}

#[test]
fn a_server_that_stops_reading_leaves_one_pending_frame_per_user() {
    let target = Target::start(&["--control", "127.0.0.1:0"]);
    let cache = tempfile::tempdir().unwrap();
    let load = ["--user-range-max", "2", "--chat-rate", "1000/s", "--disable-event-leaving"];
    let rest = ["--disable-breakout-joining", "--grace", "1s"];
    let args = [&QUICK[..], &load, &rest, &LENIENT].concat();
    let mut rig = Rig::run(&target.url, "test", &cache.path().join("s.json"), &args);
    rig.wait_until_ready();
    target.set_faults(r#"{"socket":{"deaf":1.0}}"#);
    let dropped = |rig: &Rig| rig.metric("soakrig_sends_dropped_total", &["reason=\"backpressure\""]);
    let sent = |rig: &Rig| rig.metric("soakrig_messages_sent_total", &["kind=\"chat\""]);
    let mut sent_before = 0.0;
    // Until the buffers between the two are full, sockets accept some; a queue would accept all, forever.
    eventually("while a thousand intents are dropped, hardly a chat is taken", || {
        sent_before = sent(&rig);
        let dropped_before = dropped(&rig);
        eventually("intents go on", || dropped(&rig) > dropped_before + 1_000.0 || sent(&rig) > sent_before + 200.0);
        sent(&rig) < sent_before + 200.0
    });
    target.clear_faults();
    eventually("chats are sent again", || sent(&rig) > sent_before + 1_000.0);
    rig.process.signal(Signal::SIGTERM);
    let (ended, summary) = rig.end(PATIENCE);
    assert!(balances(&summary), "{}", ended.stdout);
    let dropped = total(&summary["rates"]["chat"]["dropped"]);
    assert_eq!(number(&summary, "/operations/send"), number(&summary, "/messages/sent/chat") + dropped);
}

#[test]
fn a_slow_server_is_not_blamed_on_the_generator() {
    // Other work on the machine may slow a rig down, which the summary reports; but not five times.
    let disturbed = |_| disturbed_before_a_slow_server();
    assert!(!(0..5).all(disturbed), "the rig blamed itself in each of five runs");
}

/// Whether a rig blamed itself for its slow server.
fn disturbed_before_a_slow_server() -> bool {
    let target = Target::start(&["--fault-delay", "100%", "--fault-delay-min", "2s", "--fault-delay-max", "3s"]);
    let cache = tempfile::tempdir().unwrap();
    // Long enough for three windows in a row, which would make it invalid.
    let load = ["--user-range-max", "20", "--chat-rate", "10/s", "--duration", "45s", "--delivery-deadline", "1s"];
    let args = [&QUICK[..], &load, &LENIENT].concat();
    let rig = Rig::run(&target.url, "test", &cache.path().join("s.json"), &args);
    let (ended, summary) = rig.end(PATIENCE);
    assert!(number(&summary, "/deliveries/late") * 2 > number(&summary, "/deliveries/expected"), "{}", ended.stdout);
    let seconds = |key: &str| summary["generator"][key].as_f64().unwrap();
    let disturbed = seconds("saturated_seconds") + seconds("spoilt_seconds") > 0.0;
    assert!(disturbed || ended.code == Some(0), "{}", ended.stdout);
    disturbed
}

/// How long the process is stopped at a time: longer than a delay may be, too short for a clock event.
const STOPPED: Duration = Duration::from_secs(1);

#[test]
fn a_generator_kept_from_running_reports_it() {
    let target = Target::start(&[]);
    let cache = tempfile::tempdir().unwrap();
    let load = ["--user-range-max", "100", "--chat-rate", "20/s", "--disable-event-leaving"];
    let args = [&QUICK[..], &load, &LENIENT].concat();
    let mut rig = Rig::run(&target.url, "test", &cache.path().join("s.json"), &args);
    rig.wait_until_ready();
    let (holds_since, mut stopped) = (Instant::now(), Duration::ZERO);
    // The scheduler decides how much time a process gets on a busy machine; a stop is exact.
    eventually("saturated, in a hold long enough to judge", || {
        rig.process.signal(Signal::SIGSTOP);
        std::thread::sleep(STOPPED);
        stopped += STOPPED;
        rig.process.signal(Signal::SIGCONT);
        let saturated = rig.metric("soakrig_saturated", &["reason=\"read_delay\""]) == 1.0;
        saturated && holds_since.elapsed() > Duration::from_secs(31)
    });
    rig.process.wait_for_line("the generator itself is the bottleneck");
    let (ended, summary) = rig.stop();
    assert_eq!(ended.code, Some(106), "{}", ended.stdout);
    let first = ended.stdout.lines().next().unwrap();
    assert!(first.starts_with("Invalid: the generator itself could not keep up"), "{first}");
    assert!(first.contains("the process stood still"), "{first}");
    let generator = &summary["generator"];
    assert!(generator["spoilt_by"]["stall"].as_f64().unwrap_or(0.0) >= stopped.as_secs_f64(), "{generator}");
    assert!(generator["saturated_by"]["read_delay"].as_f64().unwrap_or(0.0) >= 30.0, "{generator}");
}

/// It is stopped half of the time, whatever the machine is capable of.
#[test]
fn a_generator_that_cannot_keep_up_reports_it() {
    let target = Target::start(&[]);
    let cache = tempfile::tempdir().unwrap();
    let load = ["--user-range-max", "3", "--chat-rate", "100/s", "--duration", "45s"];
    let args = [&QUICK[..], &load, &LENIENT].concat();
    let mut rig = Rig::run(&target.url, "nobreak", &cache.path().join("s.json"), &args);
    rig.wait_for_metrics();
    let began = std::time::Instant::now();
    let mut was_saturated = false;
    while began.elapsed() < Duration::from_secs(40) {
        rig.process.signal(nix::sys::signal::Signal::SIGSTOP);
        std::thread::sleep(Duration::from_millis(400));
        rig.process.signal(nix::sys::signal::Signal::SIGCONT);
        std::thread::sleep(Duration::from_millis(300));
        was_saturated |= rig.metric("soakrig_saturated", &[]) > 0.0;
    }
    assert!(was_saturated);
    let (ended, summary) = rig.end(PATIENCE);
    assert_eq!(ended.code, Some(106), "{}", ended.stdout);
    assert!(ended.stdout.lines().next().unwrap().starts_with("Invalid: "), "{}", ended.stdout);
    assert!(summary["generator"]["spoilt_seconds"].as_f64().unwrap() >= 10.0, "{summary}");
}

#[test]
fn two_generators_see_each_others_losses() {
    let target = Target::start(&["--control", "127.0.0.1:0", "--fault-seed", "3"]);
    let cache = tempfile::tempdir().unwrap();
    let cache = cache.path().join("s.json");
    let load = [
        "--chat-rate",
        "25/s",
        "--disable-event-leaving",
        "--disable-breakout-joining",
        "--delivery-deadline",
        "10s",
        "--delivery-horizon",
        "20s",
        "--grace",
        "5m",
        "--run-id",
        "pair",
    ];
    let mut rigs = [("0", "15"), ("15", "30")].map(|(min, max)| {
        let range = ["--user-range-min", min, "--user-range-max", max];
        Rig::run(&target.url, "test", &cache, &[&range[..], &QUICK, &load, &LENIENT].concat())
    });
    rigs.iter_mut().for_each(Rig::wait_until_ready);
    let heard = |rig: &Rig| rig.metric("soakrig_deliveries_total", &["origin=\"remote\""]);
    eventually("they hear each other", || rigs.iter().all(|rig| heard(rig) > 100.0));
    target.set_faults(r#"{"chat":{"drop":"2%"}}"#);
    eventually("enough is dropped", || target.injections().len() > 150);
    target.set_faults(r#"{"chat":{"drop":"never"}}"#);
    // A dropped message is missed once a later one has arrived.
    let before = number(&target.counts(), "/received/chats");
    eventually("more follows", || number(&target.counts(), "/received/chats") > before + 50);
    rigs.iter().for_each(|rig| rig.process.signal(Signal::SIGTERM));
    for (part, rig) in rigs.into_iter().enumerate() {
        let (ended, summary) = rig.end(PATIENCE);
        assert!(matches!(ended.code, Some(0 | 106)), "{}\n{}", ended.stdout, ended.stderr);
        let injections = target.injections();
        let of_part = |name: &serde_json::Value| usize::from(number_of(name.as_str().unwrap()) >= 15) == part;
        let here = || injections.iter().filter(|i| of_part(&i["username"]));
        let local = here().filter(|i| of_part(&i["sender"])).count() as u64;
        let remote = here().count() as u64 - local;
        assert_eq!(number(&summary, "/deliveries/lost"), local, "{}", ended.stdout);
        let seen = number(&summary, "/remote/deliveries/lost");
        // A drop before the first number that a connection reads of the other generator is not seen.
        assert!(seen <= remote && seen + 2 >= remote, "{seen} of {remote}\n{}", ended.stdout);
        assert!(remote > 20 && local > 20);
    }
}

fn number_of(username: &str) -> u32 {
    username.trim_start_matches("loadtest").parse().unwrap()
}
