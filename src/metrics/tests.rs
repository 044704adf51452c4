//! Checks scrapes against the table of families.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::families::{ALL, Kind, Values};
use super::snapshot::{LedgerSnapshot, Source, UsersSnapshot};
use super::*;
use crate::model::{
    Basis, Failure, FailureClass, FrameKind, Origin, Outcome, OwnName, PresenceFindings, Stage, UserState,
};
use crate::protocol::Probe;

/// A name of a driver's.
const OVER_CAPACITY: FailureKind = FailureKind::Own(&OwnName::at::<0>("over_capacity"));

/// The names of a driver.
const VOCABULARY: Vocabulary =
    Vocabulary { failures: &[OVER_CAPACITY], expected_side_room_failures: &[OVER_CAPACITY], ..Vocabulary::COMMON };

/// A source in which every kind of event has happened.
struct Night;

impl Source for Night {
    fn ledger(&self) -> LedgerSnapshot {
        let mut ledger = LedgerSnapshot::empty();
        let local = &mut ledger.by_origin[Origin::Local as usize];
        local.expected = 20;
        local.outstanding = 4;
        local.outcomes = [5, 2, 3, 1, 2, 1, 2, 0];
        local.anomalies = [7, 6, 5, 1];
        ledger.by_origin[Origin::Remote as usize].expected = 1;
        ledger.by_origin[Origin::Remote as usize].outcomes[Outcome::OnTime as usize] = 1;
        ledger.durations[Origin::Local as usize][Basis::Intended as usize].record_n(40_000, 7).unwrap();
        ledger.clock_offset = Some(-0.002);
        ledger.messages_in_horizon = 3;
        ledger
    }

    fn users(&self) -> UsersSnapshot {
        UsersSnapshot { target: 10, states: [1, 0, 2, 5, 1, 1, 0] }
    }

    fn presence(&self) -> PresenceFindings {
        PresenceFindings { now: [2, 0], most: [3, 1], episodes: [4, 1], lists: [60, 5, 1] }
    }
}

/// Metrics whose every method has been called.
fn busy() -> Metrics {
    let metrics = Metrics::new(VOCABULARY).unwrap();
    assert!(metrics.read_from(Arc::new(Night)));
    metrics.run_info("r1", "test", "0/1", "plenary");
    metrics.http(HttpStep::Login, HttpOutcome::Refused, Duration::from_millis(30));
    metrics.connect_attempt(SocketKind::Room);
    metrics.connect_attempt(SocketKind::SideRoom);
    metrics.connect_failure(SocketKind::SideRoom, &Failure::new(OVER_CAPACITY).classed(FailureClass::Declined));
    metrics.connected(SocketKind::Room, Duration::from_millis(4));
    metrics.connection_opened(SocketKind::Room);
    metrics.connection_opened(SocketKind::Room);
    metrics.connection_closed(SocketKind::Room);
    metrics.disconnect(SocketKind::Room, Initiator::Server, EndReason::GoingAway);
    metrics.ended_at(Initiator::Server, Duration::from_secs(61));
    metrics.sent(SentKind::Chat);
    metrics.received(FrameKind::Chat, 3);
    metrics.received_bytes(900);
    metrics.carried_out(Action::Leave);
    metrics.dropped(Action::Chat, DropReason::Backpressure);
    metrics.operation(Stage::Send);
    metrics.operations(Stage::Login, 2);
    metrics.error(Stage::Login, FailureKind::WrongPassword);
    metrics.schedule_lag(Duration::from_micros(300));
    metrics.rate_target(Action::Chat, 0.5);
    metrics.saturated(SaturationReason::ScheduleLag, true);
    metrics.logs_suppressed(9);
    metrics.clock_event(ClockEvent::Suspend, Duration::from_secs(600));
    metrics.watched("memory", Some(5e8));
    metrics.dns_changed();
    metrics.sessions_saved(crate::model::SaveOutcome::Failed);
    assert!(metrics.watch_spans(|fate| if fate == SpanFate::QueueFull { 4 } else { 0 }));
    metrics
}

/// Samples of a scrape: the name with its labels, and the value.
fn samples(text: &str) -> BTreeMap<String, f64> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            (series.to_owned(), value.parse().unwrap())
        })
        .collect()
}

/// Label names of a series, without `le`.
fn labels_of(series: &str) -> BTreeSet<String> {
    let inside = series.split_once('{').map_or("", |(_, rest)| rest.trim_end_matches('}'));
    inside
        .split("\",")
        .filter_map(|pair| Some(pair.split_once('=')?.0.to_owned()))
        .filter(|name| name != "le")
        .collect()
}

#[tokio::test]
async fn every_family_is_shown_as_the_table_says() {
    let text = busy().encode().unwrap();
    for family in ALL {
        let type_line = format!("# TYPE {} {}\n", family.name, family.kind.word());
        assert!(text.contains(&type_line), "{type_line}");
        assert!(text.contains(&format!("# HELP {} {}\n", family.name, family.help)), "{}", family.name);
    }
    let types = text.lines().filter(|line| line.starts_with("# TYPE")).count();
    assert_eq!(types, ALL.len(), "a family is shown that the table does not name");
}

#[tokio::test]
async fn labels_are_those_of_the_table_and_their_values_too() {
    let text = busy().encode().unwrap();
    let shown = samples(&text);
    for family in ALL {
        let wanted: BTreeSet<String> = family.label_names().into_iter().map(str::to_owned).collect();
        let suffixes: &[&str] = if family.kind == Kind::Histogram { &["_bucket", "_sum", "_count"] } else { &[""] };
        let ours = |series: &&String| {
            let name = series.split('{').next().unwrap();
            suffixes.iter().any(|suffix| name == format!("{}{suffix}", family.name))
        };
        for series in shown.keys().filter(ours) {
            assert_eq!(labels_of(series), wanted, "{series}");
            for label in family.labels {
                let Values::Closed(texts) = label.values else { continue };
                let known =
                    texts(&VOCABULARY).iter().any(|text| series.contains(&format!("{}=\"{text}\"", label.name)));
                assert!(known, "{series}");
            }
        }
    }
}

#[tokio::test]
async fn one_event_counts_wherever_it_belongs() {
    let shown = samples(&busy().encode().unwrap());
    for (series, value) in [
        ("soakrig_operations_total{stage=\"connect\"}", 2.0),
        ("soakrig_connect_failures_total{socket=\"breakout\",reason=\"over_capacity\"}", 1.0),
        ("soakrig_operations_total{stage=\"send\"}", 1.0),
        ("soakrig_errors_total{stage=\"send\",kind=\"backpressure\"}", 1.0),
        ("soakrig_actions_total{kind=\"leave\"}", 1.0),
        ("soakrig_actions_total{kind=\"chat\"}", 0.0),
        ("soakrig_sends_dropped_total{kind=\"chat\",reason=\"backpressure\"}", 1.0),
        ("soakrig_operations_total{stage=\"receive\"}", 3.0),
        ("soakrig_operations_total{stage=\"login\"}", 2.0),
        ("soakrig_operations_total{stage=\"delivery\"}", 17.0),
        ("soakrig_errors_total{stage=\"delivery\",kind=\"lost\"}", 3.0),
        ("soakrig_errors_total{stage=\"delivery\",kind=\"corrupt\"}", 1.0),
        ("soakrig_connections{socket=\"plenary\"}", 1.0),
        ("soakrig_deliveries_expected_total", 21.0),
        ("soakrig_trace_spans_total{fate=\"queue_full\"}", 4.0),
        ("soakrig_trace_spans_total{fate=\"exported\"}", 0.0),
        ("soakrig_schedule_lag_seconds_bucket{le=\"0.0005\"}", 1.0),
        ("soakrig_schedule_lag_seconds_bucket{le=\"0.00025\"}", 0.0),
    ] {
        assert_eq!(shown.get(series), Some(&value), "{series}");
    }
    let full = "soakrig_errors_total{stage=\"connect\",kind=\"over_capacity\"}";
    assert!(shown.get(full).is_none_or(|n| *n == 0.0), "a full breakout is an answer, not an error of the stage");
}

#[tokio::test]
async fn users_sum_to_the_target_before_and_after_the_books_are_open() {
    for metrics in [Metrics::new(VOCABULARY).unwrap(), busy()] {
        let shown = samples(&metrics.encode().unwrap());
        let sum: f64 = shown.iter().filter(|(series, _)| series.starts_with("soakrig_users{")).map(|(_, n)| n).sum();
        assert_eq!(Some(&sum), shown.get("soakrig_users_target"));
        assert_eq!(shown.keys().filter(|series| series.starts_with("soakrig_users{")).count(), UserState::ALL.len());
    }
}

#[tokio::test]
async fn the_first_scrape_has_zeros_to_rate_from() {
    let shown = samples(&Metrics::new(VOCABULARY).unwrap().encode().unwrap());
    for series in [
        "soakrig_deliveries_total{outcome=\"lost\",origin=\"remote\"}",
        "soakrig_errors_total{stage=\"signup\",kind=\"internal_error\"}",
        "soakrig_disconnects_total{socket=\"plenary\",initiator=\"server\",reason=\"going_away\"}",
        "soakrig_messages_received_total{kind=\"presence\"}",
        "soakrig_connection_age_seconds_count{initiator=\"server\"}",
        "soakrig_sends_dropped_total{kind=\"chat\",reason=\"overdue\"}",
        // What commands of `soakrig ctl` bring about.
        "soakrig_sends_dropped_total{kind=\"chat\",reason=\"disconnected\"}",
        "soakrig_errors_total{stage=\"send\",kind=\"disconnected\"}",
        "soakrig_disconnects_total{socket=\"plenary\",initiator=\"user\",reason=\"reset\"}",
        "soakrig_disconnects_total{socket=\"plenary\",initiator=\"user\",reason=\"left\"}",
        "soakrig_connection_age_seconds_count{initiator=\"user\"}",
        "soakrig_control_commands_total{command=\"disconnect\"}",
        "soakrig_delivery_duration_seconds_count{basis=\"intended\",origin=\"remote\"}",
    ] {
        assert_eq!(shown.get(series), Some(&0.0), "{series}");
    }
    assert!(shown.len() < 1_200, "{} series before anything happened", shown.len());
}

/// Otherwise `increase()` sees nothing of a failure that happens to everybody at once.
#[tokio::test]
async fn what_the_runbook_names_is_at_zero_from_the_first_scrape() {
    let shown = samples(&Metrics::new(VOCABULARY).unwrap().encode().unwrap());
    let named: BTreeSet<&str> = include_str!("../../docs/runbook.md").split('`').skip(1).step_by(2).collect();
    let labels = ALL.iter().flat_map(|family| family.labels);
    let closed = labels.filter_map(|label| if let Values::Closed(texts) = label.values { Some(texts) } else { None });
    let words: BTreeSet<&str> =
        closed.flat_map(|texts| texts(&VOCABULARY)).filter(|text| named.contains(text)).collect();
    for word in &words {
        let value = format!("=\"{word}\"");
        assert!(shown.keys().any(|series| series.contains(&value)), "{word} appears with its first event only");
    }
    assert!(words.len() > 40, "{words:?}");
}

#[tokio::test]
async fn totals_are_what_was_counted() {
    let metrics = busy();
    let totals = metrics.totals(&metrics.ledger());
    assert_eq!(totals.operations[Stage::Delivery as usize], 17);
    assert_eq!(totals.stage_errors(Stage::Delivery), 4);
    assert_eq!(totals.received.iter().find(|(kind, _)| *kind == FrameKind::Chat), Some(&(FrameKind::Chat, 3)));
    assert_eq!(totals.connect_attempts, [1, 1]);
    assert_eq!(totals.dropped, [((Action::Chat, DropReason::Backpressure), 1)]);
}

#[tokio::test]
async fn promtool_finds_nothing() {
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is missing: apt-get update && apt-get install -y prometheus");
    promtool.stdin.take().unwrap().write_all(busy().encode().unwrap().as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
}
