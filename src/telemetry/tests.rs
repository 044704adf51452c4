//! Tests of log lines, written to memory.

use std::io::{self, Write};
use std::sync::Arc;

use parking_lot::Mutex;
use tracing_subscriber::layer::SubscriberExt;

use super::*;

#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Memory {
    type Writer = Self;
    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// The lines written while `say` runs.
fn written(options: &LogOptions, say: impl FnOnce(&Logs)) -> Vec<String> {
    let (memory, logs) = (Memory::default(), Logs::default());
    let subscriber = Registry::default().with(lines(options, &logs, memory.clone(), false).unwrap());
    tracing::subscriber::with_default(subscriber, || say(&logs));
    let text = String::from_utf8(memory.0.lock().clone()).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_loud_place_is_cut_short_and_counted() {
    let mut suppressed = 0;
    let lines = written(&LogOptions::default(), |logs| {
        for user in 0..1_000 {
            tracing::warn!(user, "the server said no");
        }
        tracing::info!("all is well elsewhere");
        suppressed = logs.report_suppressed();
    });
    assert_eq!(suppressed, 990);
    assert_eq!(lines.iter().filter(|line| line.contains("the server said no")).count(), 10);
    assert!(lines[10].contains("all is well elsewhere"), "{lines:?}");
    assert!(lines[11].contains("similar lines were suppressed") && lines[11].contains("lines=990"), "{lines:?}");
}

#[test]
fn json_lines_are_json() {
    let options = LogOptions { format: LogFormat::Json, ..LogOptions::default() };
    let lines = written(&options, |_| tracing::info!(users = 5, "ramp done"));
    let line: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
    assert_eq!(line["users"], 5);
    assert_eq!(line["message"], "ramp done");
    assert_eq!(line["level"], "INFO");
}

#[test]
fn debug_lines_come_with_verbose_or_by_directive() {
    let count = |verbose, directives: Option<&str>| {
        let options = LogOptions { verbose, directives: directives.map(str::to_owned), ..LogOptions::default() };
        written(&options, |_| {
            tracing::debug!("ours");
            tracing::debug!(target: "hyper::proto", "theirs");
        })
        .len()
    };
    assert_eq!((count(false, None), count(true, None)), (0, 1));
    assert_eq!((count(true, Some("error")), count(false, Some("trace"))), (0, 2));
}

#[test]
fn a_wrong_filter_is_named_with_an_example() {
    let options = LogOptions { directives: Some("soakrig=loud".into()), ..LogOptions::default() };
    let error = filter(&options).unwrap_err().to_string();
    assert!(error.contains("SOAKRIG_LOG") && error.contains("an example"), "{error}");
}
