//! Ways in for fuzz targets and property tests: the readers of what a server sends, as they are.
//!
//! Nothing here reads by itself, and nothing else may come to rely on it.

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

/// What a text frame is and means, the meaning as its debug text; as the rig reads it.
#[must_use]
pub fn frame(text: &str) -> (FrameKind, String) {
    let mut told = (FrameKind::Unknown, String::from("nothing was told"));
    wire::read(text, &SideRooms::default(), |kind, event| told = (kind, shown(&event)));
    told
}

/// The same twice, as a thread reads a broadcast on two sockets: the second time it is known.
#[must_use]
pub fn frame_again(text: &str) -> [(FrameKind, String); 2] {
    thread_local! {
        /// Numbers of texts hold for a thread, so there is one of these in it.
        static RECENT: Cell<Recent> = Cell::default();
    }
    let mut recent = RECENT.take();
    let mut wire = vec![0x81, 127];
    wire.extend_from_slice(&(text.len() as u64).to_be_bytes());
    wire.extend_from_slice(text.as_bytes());
    let shared = Shared::default();
    let told = [(); 2].map(|()| {
        let mut told = (FrameKind::Unknown, String::from("nothing was told"));
        // The frame is whole and within the limit; a refusal would show as nothing told.
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

/// What a form's page says.
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
/// A page that is not given to the parser.
pub fn form(body: &[u8]) -> Result<Form, Failure> {
    let page = FormPage::parse(body)?;
    Ok(Form { csrf: page.csrf(), reasons: page.reasons(), is_over_capacity: page.is_over_capacity() })
}

/// Reads an event page's state: each question and its answer.
///
/// # Errors
/// A page without a state, or with one that is not the JSON expected.
pub fn state(body: &[u8]) -> Result<BTreeMap<&'static str, String>, Failure> {
    let state = InitialState::find(body)?;
    let said = |outcome: Result<String, Failure>| outcome.unwrap_or_else(|failure| failure.to_string());
    Ok(BTreeMap::from([
        ("user", said(state.user().map(|id| id.to_string()))),
        ("open", said(state.check_open().map(|()| String::new()))),
        ("breakouts", state.breakouts().len().to_string()),
    ]))
}
