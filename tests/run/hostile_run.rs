//! The real binary against a hostile server: nothing that it sends controls the terminal, through
//! the log, the summary, the JSON or the anomaly log; and names that could break a label are refused.

use std::path::Path;
use std::process::Command;

use crate::scripted_server::{Request, ScriptedServer, answer, close, frame, switching_protocols, text};
use crate::support::{Ended, PATIENCE, Rig, eventually};
use soakrig::model::turns_direction;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Sets the title, clears the screen, sets a colour, rings the bell, returns the carriage, turns the direction.
const STEERING: &str = "\x1b]0;owned\x07\x1b[2J\u{9b}31mboo\r\u{202e}\u{2066}hoo";

fn is_steered(text: &str) -> bool {
    text.chars().any(|c| (c.is_control() && c != '\n') || turns_direction(c))
}

fn assert_quiet(ended: &Ended) {
    for said in [&ended.stdout, &ended.stderr] {
        assert!(!is_steered(said), "{said:?}");
    }
}

/// Every text in a JSON document.
fn texts(value: &serde_json::Value) -> Vec<String> {
    use serde_json::Value as V;
    match value {
        V::String(text) => vec![text.clone()],
        V::Array(items) => items.iter().flat_map(texts).collect(),
        V::Object(members) => members.iter().flat_map(|(k, v)| std::iter::once(k.clone()).chain(texts(v))).collect(),
        _ => Vec::new(),
    }
}

const FORM: &str = "<input name=csrfmiddlewaretoken value=t0k>";

/// Refuses every sign-up, with control characters in its reason.
async fn refuse(request: Request, stream: TcpStream) {
    match (request.method.as_str(), request.path.as_str()) {
        (_, "/event/test/") => answer(stream, "302 Found", &["Location: /accounts/login/"], "").await,
        ("GET", _) => answer(stream, "200 OK", &[], FORM).await,
        _ => answer(stream, "200 OK", &[], &format!("{FORM}<span class=help-block>no: {STEERING}</span>")).await,
    }
}

/// Lets all users in, and then sends control characters in every kind of frame.
async fn let_in(request: Request, mut stream: TcpStream) {
    const STATE: &str = r#"{"plenary": {"open": true}, "auth": {"is_authenticated": true, "id": 6}}"#;
    if request.header("upgrade").is_some() {
        let json = serde_json::to_string(STEERING).unwrap();
        let frames = [
            text(r#"{"payload": {"members": []}, "type": "presence"}"#),
            text(&format!(r#"{{"type": "error", "error": {json}}}"#)),
            text(&format!(
                r#"{{"payload": {{"user": 6, "message": "sr2-{}"}}, "type": "chat"}}"#,
                &json[1..json.len() - 1]
            )),
            text(&format!(r#"{{"type": {json}, "payload": "sr2-x"}}"#)),
            text(&format!("{{\"type\": \"chat\", {STEERING}")),
            frame(0x88, &[&1008_u16.to_be_bytes(), STEERING.as_bytes()].concat()),
        ];
        let _ = stream.write_all(switching_protocols(&request).as_bytes()).await;
        let _ = stream.write_all(&frames.concat()).await;
        let _ = stream.read(&mut [0; 64]).await;
        let _ = stream.write_all(&close(1000)).await;
    } else if request.path.starts_with("/accounts/") {
        let cookie = "Set-Cookie: sessionid=s; Path=/";
        match request.method.as_str() {
            "GET" => answer(stream, "200 OK", &[cookie], FORM).await,
            _ => answer(stream, "302 Found", &[cookie, "Location: /"], "").await,
        }
    } else {
        answer(stream, "200 OK", &[], &format!("window.__INITIAL_STATE__ = {STATE};")).await;
    }
}

fn start(url: &str, folder: &Path, args: &[&str]) -> Rig {
    Rig::run(url, "test", &folder.join("sessions.json"), args)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn control_characters_of_a_refusal_are_not_shown() {
    let server = ScriptedServer::start(refuse).await;
    let folder = tempfile::tempdir().unwrap();
    for format in ["human", "json"] {
        let args = ["--user-range-max", "1", "--log-format", format];
        let rig = start(server.url().trim_end_matches('/'), folder.path(), &args);
        let (ended, summary) = tokio::task::block_in_place(|| rig.end(PATIENCE));
        assert_eq!(ended.code, Some(107), "{}\n{}", ended.stdout, ended.stderr);
        assert!(ended.stdout.contains("no: ") && ended.stdout.contains("boo"), "{:?}", ended.stdout);
        assert_quiet(&ended);
        assert!(texts(&summary).iter().all(|text| !is_steered(text)), "{summary}");
    }
    let mut check = Command::new(env!("CARGO_BIN_EXE_soakrig"));
    check.args(["check", server.url().trim_end_matches('/'), "test"]).env("SOAKRIG_PASSWORD", "correct horse");
    let output = tokio::task::block_in_place(|| check.output().unwrap());
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(said.contains("boo") && !is_steered(&said), "{said:?}");
    assert_eq!(output.status.code(), Some(107), "{said:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn control_characters_in_frames_and_close_reasons_reach_no_log() {
    let server = ScriptedServer::start(let_in).await;
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("anomalies.jsonl");
    let args = ["--user-range-max", "2", "--verbose", "--anomaly-log", log.to_str().unwrap()];
    let mut rig = start(server.url().trim_end_matches('/'), folder.path(), &args);
    let (ended, summary) = tokio::task::block_in_place(|| {
        rig.wait_for_metrics();
        let anomalies = || rig.metric("soakrig_delivery_anomalies_total", &["kind=\"corrupt\""]);
        eventually("forged markers are seen", || anomalies() >= 4.0);
        eventually("closes are seen", || rig.metric("soakrig_disconnects_total", &["policy_violation"]) >= 2.0);
        assert!(!is_steered(&rig.scrape()), "the metrics");
        rig.process.signal(nix::sys::signal::Signal::SIGTERM);
        rig.end(PATIENCE)
    });
    assert!(matches!(ended.code, Some(0 | 99)), "{:?}\n{}\n{}", ended.code, ended.stdout, ended.stderr);
    assert_quiet(&ended);
    assert!(texts(&summary).iter().all(|text| !is_steered(text)), "{summary}");
    let lines = std::fs::read_to_string(&log).unwrap();
    assert!(lines.lines().count() >= 4, "{lines}");
    for line in lines.lines() {
        let entry: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(texts(&entry).iter().all(|text| !is_steered(text)), "{line}");
    }
}

#[test]
fn names_unfit_for_a_label_are_refused_and_shown_escaped() {
    let odd = ["a\"b", "a{b=\"c\"}", "a\nb 1", "a\\b", "a\x1b[2Jb", "a\u{202e}b", "..", "a/b", "a?b#c", "ü", "", "a b"];
    for name in odd {
        for args in [vec!["http://127.0.0.1:9", name], vec!["http://127.0.0.1:9", "test", "--run-id", name]] {
            let output = Command::new(env!("CARGO_BIN_EXE_soakrig")).arg("run").args(&args).output().unwrap();
            let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
            assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
            assert!(!is_steered(&said), "{args:?}: {said:?}");
            let named = said.to_lowercase();
            assert!(named.contains(if args.len() == 2 { "slug" } else { "run-id" }), "{args:?}: {said}");
        }
    }
}
