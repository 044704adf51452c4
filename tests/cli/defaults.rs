//! The defaults of a run, and that the help states them correctly.

use std::time::Duration;

use soakrig::cli::{definition, parse};
use soakrig::config::Environment;
use soakrig::config::plan::{CacheLocation, Demo, Plan, Task};
use soakrig::model::{LogFormat, Pacing, Volume};
use soakrig::server::PresenceMode;

const RUN: [&str; 4] = ["soakrig", "run", "http://127.0.0.1:8000", "test"];

fn home() -> Environment {
    Environment::of([("HOME", "/home/me")])
}

fn task(args: &[&str]) -> Task {
    parse(args).unwrap().command().unwrap().resolve(&home()).unwrap().task
}

/// The plan of a run, without where each option came from.
fn run(more: &[&str]) -> Plan {
    match task(&[&RUN[..], more].concat()) {
        Task::Run(mut runs) => Plan { options: Vec::new(), ..runs.remove(0).plan },
        other => panic!("{other:?}"),
    }
}

fn demo(more: &[&str]) -> Demo {
    match task(&[&["soakrig", "demo"][..], more].concat()) {
        Task::Demo(demo) => demo,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_run_without_options_has_the_default_settings() {
    let plan = run(&[]);
    assert_eq!((plan.users.range.min(), plan.users.range.max()), (0, 10));
    assert_eq!(plan.users.template.name(7), "loadtest7");
    assert_eq!(plan.users.password, None);
    assert_eq!(plan.users.cache.place, CacheLocation::Directory("/home/me/.local/state/soakrig".into()));
    assert!(!plan.users.cache.read_only);
    assert_eq!(plan.traffic.chat, Volume::PerUser(0.05));
    assert_eq!(plan.traffic.leave, Volume::PerUser(0.005));
    assert_eq!(plan.traffic.side_room, Volume::PerUser(0.01));
    assert_eq!(plan.traffic.away.to_string(), "2s..30s");
    assert_eq!(plan.traffic.side_room_stay.to_string(), "30s..5m");
    assert_eq!(plan.traffic.pacing, Pacing::Even);
    assert_eq!(plan.timing.duration, None);
    for rate in [plan.timing.ramp, plan.timing.connect_rate, plan.users.sign_in_rate] {
        assert_eq!(rate.to_string(), "20/s");
    }
    assert_eq!(plan.terms.deadline, Duration::from_secs(10));
    assert_eq!(plan.terms.horizon, Duration::from_secs(60));
    assert_eq!(plan.timing.grace, Duration::from_secs(62), "the horizon and 2 s");
    let limits = &plan.thresholds;
    assert_eq!((limits.max_lost, limits.max_error_rate), (Some(0), Some(0.01)));
    assert_eq!((limits.max_late, limits.max_anomalies, limits.max_cut), (Some(0.01), Some(0.001), Some(0.05)));
    assert_eq!((limits.max_p99_seconds, limits.max_saturated), (None, Some(0.01)));
    assert_eq!((plan.connection.max_frame, plan.connection.http_timeout), (16 << 20, Duration::from_secs(30)));
    assert_eq!(plan.report.metrics_listen.to_string(), "127.0.0.1:9464");
    assert!(plan.report.traceparent);
    assert_eq!((plan.logging.format, plan.logging.verbose), (LogFormat::Human, false));
}

#[test]
fn a_demo_without_options_is_short_and_keeps_no_sessions() {
    let Demo { presence, rooms, plan } = demo(&[]);
    assert_eq!(rooms, None);
    assert_eq!(presence, PresenceMode::Full);
    assert_eq!(plan.users.range.len(), 50);
    assert_eq!(plan.users.cache.place, CacheLocation::Nowhere);
    assert!(matches!(plan.traffic.chat, Volume::Total(rate) if rate.to_string() == "5/s"));
    assert_eq!(plan.timing.duration, Some(Duration::from_secs(60)));
}

#[test]
fn a_demo_needs_no_home() {
    assert!(parse(["soakrig", "demo"]).unwrap().command().unwrap().resolve(&Environment::default()).is_ok());
}

#[test]
fn chattiness_gives_the_rate_where_no_rate_is_given() {
    assert_eq!(run(&["--chattiness", "10"]).traffic.chat, Volume::PerUser(0.1));
    assert_eq!(run(&["--chattiness", "0"]).traffic.chat, Volume::Off);
    assert_eq!(demo(&["--chattiness", "10"]).plan.traffic.chat, Volume::PerUser(0.1));
    assert!(matches!(run(&["--chattiness", "3", "--chat-rate", "7/s"]).traffic.chat, Volume::Total(_)));
}

#[test]
fn disabled_traffic_is_off() {
    let plan = run(&["--disable-chat", "--chat-rate", "5/s", "--disable-event-leaving", "--disable-breakout-joining"]);
    assert_eq!([plan.traffic.chat, plan.traffic.leave, plan.traffic.side_room], [Volume::Off; 3]);
    assert_ne!(run(&["--disable-chat=false"]).traffic.chat, Volume::Off);
}

/// The `[default: …]` of an option's help, if it is a value and not a description.
fn default_in(help: &str) -> Option<&str> {
    let (_, rest) = help.split_once("[default: ")?;
    let value = rest.split([']', ';']).next()?;
    (!value.contains(' ') && value != "generated").then_some(value)
}

/// A default that is given as a flag changes nothing.
#[test]
fn defaults_in_the_help_are_the_actual_defaults() {
    let command = definition();
    let run_command = command.find_subcommand("run").unwrap();
    let fixed = ["--seed", "1", "--run-id", "r"];
    let plain = run(&fixed);
    let mut checked = 0;
    for arg in run_command.get_arguments() {
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let (Some(long), Some(value)) = (arg.get_long(), default_in(&help)) else { continue };
        let given = format!("--{long}={value}");
        assert_eq!(run(&[&fixed[..], &[&given]].concat()), plain, "{given}");
        checked += 1;
    }
    assert!(checked >= 20, "only {checked} defaults were found in the help");
}

#[test]
fn each_run_gets_its_own_seed_and_run_id() {
    let (one, other) = (run(&[]), run(&[]));
    assert_ne!(one.report.run_id, other.report.run_id);
    assert_ne!(one.traffic.seed, other.traffic.seed);
    assert_eq!(run(&["--seed", "18446744073709551615"]).traffic.seed, u64::MAX);
}
