//! A short demo of the real binary: its live `/metrics` checked by promtool, its summary.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);

#[test]
fn a_demo_serves_metrics_balances_its_ledger_and_exits_0() {
    let folder = tempfile::tempdir().unwrap();
    let summary = folder.path().join("summary.json");
    let mut demo = Command::new(env!("CARGO_BIN_EXE_soakrig"))
        .args(["demo", "--user-range-max", "10", "--chat-rate", "10/s", "--duration", "1h", "--ramp", "50/s"])
        .args(["--sign-in-rate", "50/s", "--connect-rate", "50/s", "--metrics-listen", "127.0.0.1:0"])
        .arg("--disable-event-leaving")
        .arg("--summary")
        .arg(&summary)
        .env("HOME", folder.path())
        .env_remove("XDG_STATE_HOME")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (metrics, log) = metrics_address(&mut demo);
    let page = wait_for(&metrics, "soakrig_users{state=\"connected\"} 10");
    promtool(&page);
    let delivered = |page: &str| crate::support::sum(page, "soakrig_deliveries_total", &["on_time"]) > 100.0;
    wait_until(&metrics, "more than 100 deliveries", delivered);
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(demo.id().try_into().unwrap()),
        nix::sys::signal::Signal::SIGTERM,
    )
    .unwrap();

    let output = demo.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let logged: String = log.iter().collect::<Vec<_>>().join("\n");
    assert_eq!(output.status.code(), Some(0), "{said}\n{logged}");
    assert!(said.ends_with("the two agree.\n"), "{said}");

    let summary: serde_json::Value = serde_json::from_slice(&std::fs::read(summary).unwrap()).unwrap();
    let deliveries = &summary["deliveries"];
    let figure = |key: &str| deliveries[key].as_u64().unwrap();
    let excused = deliveries["excused"]["total"].as_u64().unwrap();
    let settled = figure("on_time") + figure("late") + figure("lost") + excused + figure("outstanding");
    assert_eq!(figure("expected"), settled, "{deliveries}");
    assert!(figure("on_time") > 100, "{deliveries}");
    assert_eq!(summary["verdict"]["code"], 0);
}

/// The address that the demo prints for its metrics, and its log after that.
fn metrics_address(demo: &mut Child) -> (String, mpsc::Receiver<String>) {
    let (tx, rx) = mpsc::channel();
    let stderr = BufReader::new(demo.stderr.take().unwrap());
    std::thread::spawn(move || {
        for line in stderr.lines().map_while(Result::ok) {
            if tx.send(line).is_err() {
                return;
            }
        }
    });
    loop {
        let line = rx.recv_timeout(PATIENCE).expect("the demo says where its metrics are");
        if let Some((_, rest)) = line.split_once("metrics on http://127.0.0.1:")
            && let Some((port, _)) = rest.split_once("/metrics")
        {
            return (format!("127.0.0.1:{port}"), rx);
        }
    }
}

/// The page once `sample` is on it.
fn wait_for(address: &str, sample: &str) -> String {
    wait_until(address, sample, |page| page.lines().any(|line| line == sample))
}

/// The page once it shows `what`.
fn wait_until(address: &str, what: &str, shows: impl Fn(&str) -> bool) -> String {
    let begin = Instant::now();
    loop {
        let page = get(address);
        if shows(&page) {
            return page;
        }
        assert!(begin.elapsed() < PATIENCE, "no `{what}` in\n{page}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn get(address: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET /metrics HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, page) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(!head.to_lowercase().contains("transfer-encoding"), "{head}");
    page.to_owned()
}

fn promtool(page: &str) {
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is missing: apt-get update && apt-get install -y --no-install-recommends prometheus");
    promtool.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let found = promtool.wait_with_output().unwrap();
    let said = [found.stdout, found.stderr].concat();
    assert!(found.status.success() && said.is_empty(), "{}", String::from_utf8_lossy(&said));
}
