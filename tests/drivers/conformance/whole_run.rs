//! A whole run over a driver that is not registered: all common code is generic over the driver.

use soakrig::cli::parse;
use soakrig::config::Environment;
use soakrig::config::plan::{Run, Task};
use soakrig::error::ExitCode;
use soakrig::report::summary::Anomalies;

use super::line_chat::LineProtocol;
use super::line_server::LineServer;
use super::{PASSWORD, ServerForDriver};

/// The runs of a command line.
fn runs(url: &str, more: &[&str]) -> Vec<Run> {
    let line = ["soakrig", "run", url, "lobby", "--password", PASSWORD, "--metrics-listen", "127.0.0.1:0"];
    let command = parse([&line[..], more].concat()).unwrap().command().unwrap();
    match command.resolve(&Environment::of([("HOME", "/nowhere")])).unwrap().task {
        Task::Run(runs) => runs,
        other => panic!("{other:?}"),
    }
}

/// One test, as logging is set up once per process.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_over_an_unregistered_driver_balances_its_books() {
    let server = LineServer::start().await;
    let directory = tempfile::tempdir().unwrap();
    let cache = directory.path().join("sessions.json");
    let options =
        ["--user-range-max", "5", "--chat-rate", "20/s", "--duration", "6s", "--ramp", "50/s", "--leave-rate", "1/s"];
    let more = [&options[..], &["--away", "1s..2s", "--cache-file", cache.to_str().unwrap()]].concat();
    let held = soakrig::run::run(&LineProtocol, runs(&server.url(), &more)).await.unwrap();
    let summary = &held[0].summary;
    let deliveries = &summary.deliveries;
    assert!(deliveries.expected > 0, "{deliveries:?}");
    let came = deliveries.on_time + deliveries.late;
    let outcomes = came + deliveries.lost + deliveries.excused.total + deliveries.outstanding;
    assert_eq!((deliveries.lost, outcomes), (0, deliveries.expected), "{deliveries:?}");
    assert_eq!(summary.anomalies, Anomalies::default());
    assert!(came > 0 && server.copies() >= came, "the server wrote {} copies, {came} came", server.copies());
    let side_rooms = summary.connections.get("breakout").map_or(0, |sockets| sockets.attempts);
    assert_eq!(side_rooms, 0, "a protocol without side rooms has no traffic in them");
    assert!(std::fs::read_to_string(&cache).unwrap().contains("user-loadtest0"), "sessions are saved");
}

#[tokio::test]
async fn options_of_side_rooms_are_refused_where_the_protocol_has_none() {
    let (flag, variable) = (runs("http://127.0.0.1:1", &["--breakout-stay", "1s..2s"]), {
        let line = ["soakrig", "run", "http://127.0.0.1:1", "lobby", "--metrics-listen", "127.0.0.1:0"];
        let surroundings = Environment::of([("HOME", "/nowhere"), ("SOAKRIG_BREAKOUT_RATE", "1/s")]);
        match parse(line).unwrap().command().unwrap().resolve(&surroundings).unwrap().task {
            Task::Run(runs) => runs,
            other => panic!("{other:?}"),
        }
    });
    for (runs, code, named) in
        [(flag, ExitCode::Usage, "--breakout-stay"), (variable, ExitCode::Environment, "SOAKRIG_BREAKOUT_RATE")]
    {
        let error = soakrig::run::supported(&LineProtocol, runs).unwrap_err();
        assert_eq!(error.code(), code);
        let said = error.to_string();
        assert!(said.contains(named) && said.contains("no side rooms") && said.contains("remedy"), "{said}");
    }
}
