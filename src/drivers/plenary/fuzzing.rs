//! Entry points for fuzz targets and property tests: the readers of a server's data.
//!
//! Nothing here has logic of its own, and other code must not use it.

use std::cell::Cell;
use std::collections::BTreeMap;

use super::decode::Shared;
use super::page::FormPage;
use super::side_rooms::SideRooms;
use super::state::InitialState;
use super::wire;
use crate::model::{Failure, FrameKind};
use crate::protocol::Event;
use crate::transport::ws::reader::{Message, Reader};
use crate::transport::ws::recent::Recent;

/// The kind of a text frame and its meaning, as debug text, as the rig reads it.
#[must_use]
pub fn frame(text: &str) -> (FrameKind, String) {
    let mut told = (FrameKind::Unknown, String::from("nothing was told"));
    wire::read(text, &SideRooms::default(), |kind, event| told = (kind, shown(&event)));
    told
}

/// The same twice, like a broadcast on two sockets of a thread: the second time the text is known.
#[must_use]
pub fn frame_again(text: &str) -> [(FrameKind, String); 2] {
    thread_local! {
        /// Numbers of texts are per thread, so each thread has one.
        static RECENT: Cell<Recent> = Cell::default();
    }
    let mut recent = RECENT.take();
    let mut wire = vec![0x81, 127];
    wire.extend_from_slice(&(text.len() as u64).to_be_bytes());
    wire.extend_from_slice(text.as_bytes());
    let shared = Shared::default();
    let told = [(); 2].map(|()| {
        let mut told = (FrameKind::Unknown, String::from("nothing was told"));
        // The frame is whole and within the limit; a refusal would show as `nothing was told`.
        let _ = Reader::new(text.len()).feed(&wire, &mut recent, |message| {
            if let Message::Text(text, number) = message {
                shared.decode(text, number, |kind, event| told = (kind, shown(&event)));
            }
        });
        told
    });
    RECENT.set(recent);
    told
}

/// The same, by the JSON parser alone.
#[must_use]
pub fn frame_plainly(text: &str) -> (FrameKind, String) {
    let mut told = (FrameKind::Unknown, String::from("nothing was told"));
    wire::read_plain(text, &SideRooms::default(), |kind, event| told = (kind, shown(&event)));
    told
}

fn shown(event: &Event<'_>) -> String {
    format!("{event:?}")
}

/// The contents of a page with a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// The CSRF token.
    pub csrf: Result<String, Failure>,
    /// The reasons of a refusal.
    pub reasons: String,
    /// Whether the event is full.
    pub is_over_capacity: bool,
}

/// Reads a page with a form.
///
/// # Errors
/// If the page is not fit for the parser.
pub fn form(body: &[u8]) -> Result<Form, Failure> {
    let page = FormPage::parse(body)?;
    Ok(Form { csrf: page.csrf(), reasons: page.reasons(), is_over_capacity: page.is_over_capacity() })
}

/// Reads an event page's state: each question and its answer.
///
/// # Errors
/// A page without a state, or with one that is not the expected JSON.
pub fn state(body: &[u8]) -> Result<BTreeMap<&'static str, String>, Failure> {
    let state = InitialState::find(body)?;
    let said = |outcome: Result<String, Failure>| outcome.unwrap_or_else(|failure| failure.to_string());
    Ok(BTreeMap::from([
        ("user", said(state.user().map(|id| id.to_string()))),
        ("open", said(state.check_open().map(|()| String::new()))),
        ("breakouts", state.breakouts().len().to_string()),
    ]))
}
