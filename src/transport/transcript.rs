//! What was said between a user and the server, told as it happens: for people who look at one user.
//!
//! A run has none, and then nothing is made for it. Callers mask secrets first.

use std::time::Duration;

/// One thing that was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said<'a> {
    /// A request over HTTP, with its answer.
    Request {
        /// Its method.
        method: &'a str,
        /// Its path and query.
        path: &'a str,
        /// What was sent, empty for nothing.
        body: &'a str,
        /// The status of the answer; `None` where there was none.
        status: Option<u16>,
        /// What the server answered with, where the protocol tells.
        answer: &'a str,
        /// How long it took.
        took: Duration,
    },
    /// A websocket was opened at this path.
    Opened(&'a str),
    /// A text frame was sent.
    Sent(&'a str),
    /// A text frame came.
    Frame {
        /// The frame.
        text: &'a str,
        /// The rule that it matches, with its place; `None` where there is none.
        rule: Option<&'a str>,
        /// The text of the message, where the frame is one.
        message: Option<&'a str>,
        /// The sender of the message, where the frame names one.
        sender: Option<&'a str>,
    },
    /// A frame that matched no rule when it came is the one that a step waits for now.
    Taken {
        /// The frame.
        text: &'a str,
        /// The step, with its place.
        rule: &'a str,
    },
    /// A websocket ping, pong, close or binary frame came.
    Control(&'a str),
}

/// Hears of everything that is said.
pub trait Transcript: Send + Sync + 'static {
    /// Something was said.
    fn note(&self, said: Said<'_>);
}
