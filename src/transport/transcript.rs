//! The traffic between a user and the server as it happens, for people who watch a single user.
//!
//! A run has no transcript, and then it costs nothing. Callers mask secrets first.

use std::time::Duration;

/// An item of a transcript.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said<'a> {
    /// A request over HTTP, with its answer.
    Request {
        /// Its method.
        method: &'a str,
        /// Its path and query.
        path: &'a str,
        /// The body sent; empty if there was none.
        body: &'a str,
        /// The status of the answer; `None` if there was none.
        status: Option<u16>,
        /// The server's answer, if the protocol provides it.
        answer: &'a str,
        /// Its duration.
        took: Duration,
    },
    /// A websocket was opened at this path.
    Opened(&'a str),
    /// A text frame was sent.
    Sent(&'a str),
    /// A text frame was received.
    Frame {
        /// The frame.
        text: &'a str,
        /// The rule that it matches, with its place; `None` if there is none.
        rule: Option<&'a str>,
        /// The text of the message, if the frame is one.
        message: Option<&'a str>,
        /// The sender of the message, if the frame names one.
        sender: Option<&'a str>,
    },
    /// A frame that matched no rule when it arrived is taken by a step that now waits for it.
    Taken {
        /// The frame.
        text: &'a str,
        /// The step, with its place.
        rule: &'a str,
    },
    /// A websocket ping, pong, close or binary frame was received.
    Control(&'a str),
}

/// Observer of the traffic.
pub trait Transcript: Send + Sync + 'static {
    /// Takes an item.
    fn note(&self, said: Said<'_>);
}
