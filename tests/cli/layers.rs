//! Flags over variables over the file, for every option.

use std::path::PathBuf;

use soakrig::cli::parse;
use soakrig::config::Environment;
use soakrig::config::entry::{flag, in_file, variable};
use soakrig::config::layers::Layers;
use soakrig::config::settings::Settings;
use soakrig::config::value::Given;

/// Three values of every option, and the command that has its flag.
const SAMPLES: &[(&str, &str, [&str; 3])] = &[
    ("url", "run", ["http://a", "http://b", "https://c/d"]),
    ("plenary", "run", ["one", "two", "three"]),
    ("user_range_min", "run", ["1", "2", "3"]),
    ("user_range_max", "run", ["11", "12", "13"]),
    ("username_template", "run", ["a%s", "b%s", "c%s"]),
    ("password", "run", ["hunter1", "hunter2", "-hunter3"]),
    ("accounts", "run", ["/a", "/b", "/c"]),
    ("password_file", "run", ["/a", "/b", "/c"]),
    ("cache_file", "run", ["/a", "/b", "/c"]),
    ("read_only_cache", "run", ["true", "false", "true"]),
    ("sign_in_rate", "run", ["1/s", "2/s", "3/s"]),
    ("shard", "run", ["0/3", "1/3", "2/3"]),
    ("shards", "run", ["2", "3", "4"]),
    ("dry_run", "run", ["true", "false", "true"]),
    ("rooms", "run", ["1", "2", "3"]),
    ("room_min", "run", ["1", "2", "3"]),
    ("speakers", "run", ["1", "5%", "0.5"]),
    ("message_size", "run", ["1..2", "2..3", "3..4"]),
    ("alphabet", "run", ["ascii", "unicode", "ascii"]),
    ("disable_chat", "run", ["true", "false", "true"]),
    ("disable_event_leaving", "run", ["true", "false", "true"]),
    ("disable_breakout_joining", "run", ["true", "false", "true"]),
    ("chattiness", "run", ["1", "2", "2.5"]),
    ("chat_rate", "run", ["1/s", "2/m", "3/h"]),
    ("leave_rate", "run", ["1/s", "2/m", "3/h"]),
    ("breakout_rate", "run", ["1/s", "2/m", "3/h"]),
    ("away", "run", ["1s..2s", "2s..3s", "3s..4s"]),
    ("breakout_stay", "run", ["1s..2s", "2s..3s", "3s..4s"]),
    ("pacing", "run", ["even", "poisson", "even"]),
    ("duration", "run", ["1s", "2m", "3h"]),
    ("start_at", "run", ["2030-01-01T00:00:00Z", "2030-01-02T00:00:00Z", "2030-01-03T00:00:00+01:00"]),
    ("ramp", "run", ["1/s", "2/m", "3/h"]),
    ("connect_rate", "run", ["1/s", "2/m", "3/h"]),
    ("grace", "run", ["0s", "1s", "2s"]),
    ("delivery_deadline", "run", ["1s", "2s", "3s"]),
    ("delivery_horizon", "run", ["1s", "2s", "3s"]),
    ("max_lost", "run", ["0", "1%", "off"]),
    ("max_late", "run", ["2%", "3%", "off"]),
    ("max_anomalies", "run", ["2%", "3%", "off"]),
    ("max_cut", "run", ["2%", "3%", "off"]),
    ("max_p99", "run", ["1s", "2s", "off"]),
    ("max_saturated", "run", ["2%", "3%", "off"]),
    ("tolerate_marked", "run", ["true", "false", "true"]),
    ("fail_if", "run", ["lost > 0", "p99 > 500ms over 5m", "late > 1%"]),
    ("abort_if", "run", ["lost > 0", "p99 > 500ms over 5m", "late > 1%"]),
    ("max_error_rate", "run", ["1%", "0.5", "3%"]),
    ("ca_file", "run", ["/a", "/b", "/c"]),
    ("insecure_skip_verify", "run", ["true", "false", "true"]),
    ("source_ip", "run", ["127.0.0.1", "127.0.0.2", "::1"]),
    ("header", "run", ["X-A: 1", "X-B: 2", "X-C: 3"]),
    ("client_cert", "run", ["/a", "/b", "/c"]),
    ("client_key", "run", ["/a", "/b", "/c"]),
    ("resolve", "run", ["h:1:127.0.0.1", "h:2:127.0.0.2", "h:3:::1"]),
    ("proxy", "run", ["http://a:1", "http://b:2", "@/c"]),
    ("compression", "run", ["true", "false", "true"]),
    ("reconnect", "run", ["backoff", "immediate", "fixed:5s"]),
    ("max_frame", "run", ["1MiB", "2MiB", "3MiB"]),
    ("http_timeout", "run", ["1s", "2s", "3s"]),
    ("metrics_listen", "run", ["127.0.0.1:1", "127.0.0.1:2", "[::1]:3"]),
    ("run_id", "run", ["a", "b", "c"]),
    ("summary", "run", ["/a", "/b", "/c"]),
    ("report", "run", ["/a", "/b", "/c"]),
    ("junit", "run", ["/a", "/b", "/c"]),
    ("anomaly_log", "run", ["/a", "/b", "/c"]),
    ("control_socket", "run", ["/a", "auto", "off"]),
    ("watch", "run", ["a=http://h/#up", "b=http://h/#up", "c=http://h/#up"]),
    ("otlp_endpoint", "run", ["http://a", "http://b", "http://c"]),
    ("protocol", "run", ["a", "b", "c"]),
    ("set", "run", ["a=1", "b=2", "c=3"]),
    ("no_traceparent", "run", ["true", "false", "true"]),
    ("log_format", "run", ["human", "json", "human"]),
    ("verbose", "run", ["true", "false", "true"]),
    ("seed", "run", ["1", "2", "3"]),
    ("presence", "target", ["full", "batched:1s", "off"]),
    ("listen", "target", ["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"]),
    ("control", "target", ["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"]),
    ("prefix", "target", ["/a", "/b", "/c"]),
];

/// The settings with just one value.
fn only(key: &str, value: &str) -> Settings {
    let mut settings = Settings::default();
    settings.set(key, &Given::One(value.to_owned())).unwrap().unwrap();
    settings
}

/// The settings from the command line alone.
fn typed(command: &str, key: &str, value: &str) -> Settings {
    let mut args = vec!["soakrig".to_owned(), command.to_owned()];
    match key {
        "url" => args.push(value.to_owned()),
        // The slug stands second.
        "plenary" => args.extend(["http://x".to_owned(), value.to_owned()]),
        _ => args.push(format!("{}={value}", flag(key))),
    }
    let (mut settings, _) = parse(args).unwrap().command().unwrap().settings();
    if key == "plenary" {
        settings.url = Default::default();
    }
    settings
}

fn written(lines: &str) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("soak.toml");
    std::fs::write(&path, lines).unwrap();
    (directory, path)
}

#[test]
fn every_option_has_a_sample_value() {
    let sampled: Vec<_> = SAMPLES.iter().map(|(key, ..)| *key).collect();
    let mut keys: Vec<_> = Settings::keys().collect();
    keys.retain(|key| !sampled.contains(key));
    assert_eq!(keys, Vec::<&str>::new(), "options without a sample");
}

#[test]
fn flags_win_over_variables_and_those_over_the_file() {
    for (key, command, [low, middle, high]) in SAMPLES {
        let environment = Environment::of([(variable(key), *middle)]);
        let nothing = Environment::default();
        for name in [in_file(key), (*key).to_owned()] {
            let (_directory, path) = written(&format!("{name} = \"{low}\"\n"));
            let stack = |flags, environment| {
                let layers = Layers::stack(flags, Some(path.clone()), environment).unwrap();
                assert_eq!(layers.warnings.iter().filter(|w| !w.contains("password")).count(), 0, "{key}");
                layers.settings
            };
            assert_eq!(stack(Settings::default(), &nothing), only(key, low), "{name} in the file");
            assert_eq!(stack(Settings::default(), &environment), only(key, middle), "variable of {key}");
            assert_eq!(stack(typed(command, key, high), &environment), only(key, high), "flag of {key}");
        }
    }
}

#[test]
fn numbers_and_switches_need_no_quotes_in_the_file() {
    let (_directory, path) = written("user-range-max = 100\nmax_error_rate = 0.02\ndisable-chat = true\n");
    let layers = Layers::stack(Settings::default(), Some(path), &Environment::default()).unwrap();
    assert_eq!(layers.settings.users.user_range_max.unwrap().0, 100);
    assert!((layers.settings.thresholds.max_error_rate.unwrap().get().unwrap().share() - 0.02).abs() < 1e-12);
    assert!(layers.settings.traffic.disable_chat.unwrap().0);
}

#[test]
fn the_file_may_be_named_by_a_variable_and_the_flag_wins() {
    let (_one, path) = written("seed = 1\n");
    let (_other, other) = written("seed = 2\n");
    let environment = Environment::of([("SOAKRIG_CONFIG", path)]);
    let seed = |config| Layers::stack(Settings::default(), config, &environment).unwrap().settings.seed.seed.unwrap().0;
    assert_eq!((seed(None), seed(Some(other))), (1, 2));
}

/// Two ways to say one thing do not mix across layers.
#[test]
fn a_higher_layer_wins_over_an_alternative_option() {
    for (high, value, low, low_value) in [
        ("password_file", "/f", "password", "hunter2"),
        ("password", "hunter2", "password_file", "/f"),
        ("chattiness", "3", "chat_rate", "5/s"),
        ("shard", "0/2", "shards", "3"),
    ] {
        let environment = Environment::of([(variable(low), low_value)]);
        let layers = Layers::stack(typed("run", high, value), None, &environment).unwrap();
        assert_eq!(layers.settings, only(high, value), "{high} over {low}");
    }
}

#[test]
fn empty_variables_are_not_set() {
    let environment = Environment::of([("SOAKRIG_CHAT_RATE", ""), ("SOAKRIG_CONFIG", "")]);
    let layers = Layers::stack(Settings::default(), None, &environment).unwrap();
    assert_eq!(layers.settings, Settings::default());
}

#[test]
fn an_unknown_variable_is_warned_of() {
    let environment = Environment::of([("SOAKRIG_CHATRATE", "5/s"), ("SOAKRIG_SERVICE_HOST", "10.0.0.1")]);
    let layers = Layers::stack(Settings::default(), None, &environment).unwrap();
    assert_eq!(layers.warnings, ["unknown variable SOAKRIG_CHATRATE, did you mean SOAKRIG_CHAT_RATE?"]);
}

#[test]
fn a_list_comes_from_repeated_flags_from_an_array_and_from_commas() {
    let repeated = parse(["soakrig", "run", "--source-ip", "127.0.0.2", "--source-ip", "127.0.0.3"]).unwrap();
    let expected = repeated.command().unwrap().settings().0;
    assert_eq!(expected.connection.source_ip.as_ref().map(Vec::len), Some(2));
    let (_directory, path) = written("source-ip = [\"127.0.0.2\", \"127.0.0.3\"]\n");
    let nothing = Environment::default();
    assert_eq!(Layers::stack(Settings::default(), Some(path), &nothing).unwrap().settings, expected);
    let environment = Environment::of([("SOAKRIG_SOURCE_IP", "127.0.0.2,127.0.0.3")]);
    assert_eq!(Layers::stack(Settings::default(), None, &environment).unwrap().settings, expected);
}
