//! Prints the traffic between one user and the server, and keeps the last frame.

use std::sync::Arc;

use http::HeaderValue;
use parking_lot::Mutex;

use crate::marker::PREFIX;
use crate::model::turns_direction;
use crate::protocol::{Said, Trace, Transcript};
use crate::telemetry::stdio::tell;
use crate::transport::http::mask::Mask;

/// Most characters shown of a frame or a body.
const SHOWN: usize = 160;
/// How many of those come from its start.
const BEGINNING: usize = 110;
/// Most frames without a rule that are kept.
const MOST_STRAYS: usize = 64;

/// Observes everything that one user sends and receives.
pub(super) struct Recorder {
    name: String,
    mask: Mask,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    muted: bool,
    last: Heard,
    strays: Vec<String>,
    close: Option<String>,
}

/// The last frame received, and what its rule found in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Heard {
    pub(super) frame: String,
    /// The rule that it matched, with its place.
    pub(super) rule: Option<String>,
    pub(super) message: Option<String>,
    pub(super) sender: Option<String>,
}

/// A recorder in the form that drivers take.
pub(super) struct Recording(pub(super) Arc<Recorder>);

impl Trace for Recording {
    fn traceparent(&self) -> Option<HeaderValue> {
        None
    }

    fn transcript(&self) -> Option<Arc<dyn Transcript>> {
        Some(Arc::<Recorder>::clone(&self.0))
    }
}

impl Recorder {
    /// A recorder for a user; it hides this password.
    pub(super) fn new(name: &str, password: &str) -> Self {
        let mut mask = Mask::default();
        mask.password(password);
        Self { name: name.to_owned(), mask, state: Mutex::default() }
    }

    /// Stops or resumes the printing of frames.
    pub(super) fn set_muted(&self, muted: bool) {
        self.state.lock().muted = muted;
    }

    /// The last frame.
    pub(super) fn last(&self) -> Heard {
        self.state.lock().last.clone()
    }

    /// The frames that matched no rule.
    pub(super) fn strays(&self) -> Vec<String> {
        self.state.lock().strays.clone()
    }

    /// How the server closed the connection, if it did.
    pub(super) fn close(&self) -> Option<String> {
        self.state.lock().close.clone()
    }

    fn print(&self, direction: char, text: &str, rule: &str) {
        let text = self.mask.text(text).unwrap_or_else(|| text.to_owned());
        let separator = if rule.is_empty() { "" } else { "   # " };
        tell(&format!("    {} {direction} {}{separator}{rule}", self.name, shown(&text)));
    }

    fn frame(&self, text: &str, rule: Option<&str>, message: Option<&str>, sender: Option<&str>) {
        let muted = {
            let mut state = self.state.lock();
            if rule.is_none() && state.strays.len() < MOST_STRAYS {
                state.strays.push(text.to_owned());
            }
            let [rule, message, sender] = [rule, message, sender].map(|text| text.map(str::to_owned));
            state.last = Heard { frame: text.to_owned(), rule, message, sender };
            state.muted
        };
        if !muted {
            let none = if text.contains(PREFIX) { "no rule, and it holds a message" } else { "no rule" };
            self.print('<', text, rule.unwrap_or(none));
        }
    }
}

impl Transcript for Recorder {
    fn note(&self, said: Said<'_>) {
        let muted = self.state.lock().muted;
        match said {
            Said::Request { method, path, body, status, answer, took } => {
                self.print('>', &format!("{method} {path} {body}"), "");
                let status = status.map_or_else(|| "no answer".to_owned(), |status| format!("HTTP {status}"));
                self.print('<', &format!("{status} {answer}"), &format!("{:.1} ms", took.as_secs_f64() * 1e3));
            }
            Said::Opened(path) => self.print('>', &format!("websocket {path}"), "open"),
            Said::Sent(text) if !muted => self.print('>', text, ""),
            Said::Sent(_) => {}
            Said::Frame { text, rule, message, sender } => self.frame(text, rule, message, sender),
            Said::Taken { text, rule } => {
                self.state.lock().strays.retain(|stray| stray != text);
                self.print('<', text, &format!("came earlier, taken by {rule}"));
            }
            Said::Control(what) => {
                if what.starts_with("close") {
                    self.state.lock().close = Some(what.to_owned());
                }
                self.print('<', &format!("({what})"), "");
            }
        }
    }
}

/// A text on one line, without its middle if it is long; characters that would disturb a terminal are
/// escaped.
pub(super) fn shown(text: &str) -> String {
    let text = text.trim_end();
    let length = text.chars().count();
    let mut out = String::new();
    for (at, c) in text.chars().enumerate() {
        match c {
            _ if length > SHOWN && at == BEGINNING => out.push('…'),
            _ if length > SHOWN && at > BEGINNING && at < length - (SHOWN - BEGINNING) => {}
            c if c.is_control() || turns_direction(c) => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_disturb_a_terminal_is_escaped_and_long_texts_are_cut() {
        assert_eq!(shown("a\u{1b}[2J\nb\u{202e}c "), "a\\u{1b}[2J\\nb\\u{202e}c");
        let long = format!("{}{}{}", "é".repeat(BEGINNING), "x".repeat(9), "ö".repeat(SHOWN - BEGINNING));
        let cut = format!("{}…{}", "é".repeat(BEGINNING), "ö".repeat(SHOWN - BEGINNING));
        assert_eq!(shown(&long), cut);
        assert_eq!(shown(&"é".repeat(SHOWN)), "é".repeat(SHOWN));
    }

    #[test]
    fn a_frame_that_a_later_step_takes_is_not_a_stray() {
        let recorder = Recorder::new("ann", "pw");
        for text in ["a", "b"] {
            recorder.note(Said::Frame { text, rule: None, message: None, sender: None });
        }
        recorder.note(Said::Taken { text: "a", rule: "join step 2, my.toml:9" });
        assert_eq!(recorder.strays(), ["b"]);
    }
}
