//! The event page's `window.__INITIAL_STATE__`: the signed-in user, whether the event is open, and the breakouts that
//! may be joined.
//!
//! A JSON parser reads it from its start and keeps only the needed fields, so a page of megabytes costs one pass.

use serde::Deserialize;

use super::{normal, vocabulary};
use crate::model::{Failure, FailureClass, FailureKind};
use crate::protocol::SideRoomId;

/// The start of the script line.
const NAME: &[u8] = b"window.__INITIAL_STATE__";

/// Maximum number of breakouts that are remembered; all users choose from them.
const BREAKOUT_LIMIT: usize = 10_000;

/// Maximum number of places tried as the start.
const TRY_LIMIT: usize = 8;

/// The part of the state that the rig reads.
#[derive(Debug, Deserialize)]
pub(super) struct InitialState {
    plenary: Plenary,
    #[serde(default)]
    breakouts: Vec<Breakout>,
    #[serde(default)]
    auth: Auth,
}

#[derive(Debug, Deserialize)]
struct Plenary {
    #[serde(default)]
    open: bool,
    #[serde(default)]
    canceled: bool,
    #[serde(default)]
    breakouts_open: bool,
    /// The capacity; 0 or an invalid value means no limit.
    #[serde(default)]
    max_participants: serde_json::Value,
    #[serde(default)]
    doors_open: Option<String>,
    #[serde(default)]
    doors_close: Option<String>,
}

/// One breakout in the lists of pages and frames.
#[derive(Debug, Deserialize)]
pub(super) struct Breakout {
    id: u64,
    #[serde(default)]
    is_proposal: bool,
    /// Missing in releases without random breakouts.
    #[serde(default)]
    is_random: bool,
}

#[derive(Debug, Default, Deserialize)]
struct Auth {
    #[serde(default)]
    is_authenticated: bool,
    #[serde(default)]
    id: Option<u64>,
}

impl InitialState {
    /// Reads the state of an event page. Fails with `NoState` if the page has none, `BadState` if it is not the
    /// expected JSON.
    pub(super) fn find(body: &[u8]) -> Result<Self, Failure> {
        let mut wrong = None;
        for at in memchr::memmem::find_iter(body, NAME).take(TRY_LIMIT) {
            let Some(json) = after_equals(&body[at + NAME.len()..]) else { continue };
            // Ignore what follows the value: a semicolon, and the rest of the page.
            match Self::deserialize(&mut serde_json::Deserializer::from_slice(json)) {
                Ok(state) => return Ok(state),
                Err(e) => match normal::value_at(json).and_then(|value| Self::deserialize(value).ok()) {
                    Some(state) => return Ok(state),
                    None => wrong = wrong.or(Some(e)),
                },
            }
        }
        Err(match wrong {
            None => Failure::with(vocabulary::NO_STATE, "the page holds no __INITIAL_STATE__"),
            Some(e) => Failure::with(vocabulary::BAD_STATE, format!("__INITIAL_STATE__: {e}")),
        })
    }

    /// Checks that the event is open; the failure's text says since or until when it is not.
    pub(super) fn check_open(&self) -> Result<(), Failure> {
        let Plenary { open, canceled, doors_open, doors_close, .. } = &self.plenary;
        if *canceled {
            return Err(Failure::with(vocabulary::EVENT_CANCELLED, "the event was cancelled")
                .classed(FailureClass::HopelessAtStart));
        }
        if *open {
            return Ok(());
        }
        let now = std::time::SystemTime::now();
        let text = match (doors_open, doors_close) {
            (Some(opens), _) if moment(opens).is_some_and(|at| at > now) => {
                format!("the event has not begun: its doors open at {opens}")
            }
            (_, Some(closed)) if moment(closed).is_some_and(|at| at <= now) => {
                format!("the event is over: its doors closed at {closed}")
            }
            _ => "the event is closed".to_owned(),
        };
        Err(Failure::with(vocabulary::EVENT_CLOSED, text).classed(FailureClass::HopelessAtStart))
    }

    /// The signed-in user's id; fails with `SignedOut` if there is none.
    pub(super) fn user(&self) -> Result<u64, Failure> {
        if !self.auth.is_authenticated {
            return Err(Failure::with(FailureKind::SignedOut, "the event page knows no signed-in user"));
        }
        self.auth.id.ok_or_else(|| Failure::with(vocabulary::BAD_STATE, "__INITIAL_STATE__: auth has no id"))
    }

    /// Maximum number of users present, if there is a limit.
    pub(super) fn capacity(&self) -> Option<u64> {
        self.plenary.max_participants.as_u64().filter(|limit| *limit > 0)
    }

    /// Whether breakouts may be joined at all.
    pub(super) fn breakouts_open(&self) -> bool {
        self.plenary.breakouts_open
    }

    /// The breakouts that a user may join while breakouts are open.
    pub(super) fn breakouts(&self) -> Vec<SideRoomId> {
        joinable(&self.breakouts)
    }
}

/// The breakouts of a list that are neither proposals nor random; of a huge list, only the first ones.
pub(super) fn joinable(list: &[Breakout]) -> Vec<SideRoomId> {
    let open = list.iter().filter(|b| !b.is_proposal && !b.is_random);
    open.map(|b| SideRoomId(b.id)).take(BREAKOUT_LIMIT).collect()
}

fn after_equals(rest: &[u8]) -> Option<&[u8]> {
    rest.trim_ascii_start().strip_prefix(b"=").map(<[u8]>::trim_ascii_start)
}

fn moment(iso: &str) -> Option<std::time::SystemTime> {
    let iso = iso.strip_suffix("+00:00").map_or_else(|| iso.to_owned(), |plain| format!("{plain}Z"));
    humantime::parse_rfc3339_weak(&iso).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STATE: &str = r#"{"plenary": {"id": 1, "slug": "test", "open": true, "breakouts_open": true,
        "name": "a <\/script> \"b\""}, "breakouts": [{"id": 1, "is_proposal": false, "url": "\/breakout\/1\/"},
        {"id": 2, "is_proposal": true}, {"id": 3, "is_proposal": false, "is_random": true}, {"id": 4}],
        "chat_messages": [{"message": "};window.__INITIAL_STATE__ = {}"}], "users": {"6": {}},
        "auth": {"is_authenticated": true, "id": 6, "username": "loadtest0"}}"#;

    fn page(state: &str) -> String {
        format!("<script>\n window.__INITIAL_STATE__ = {state};\n</script><p>{{</p>")
    }

    #[test]
    fn the_state_is_read_from_where_it_starts() {
        let state = InitialState::find(page(STATE).as_bytes()).unwrap();
        assert_eq!(state.user().unwrap(), 6);
        assert!(state.check_open().is_ok() && state.breakouts_open());
        assert_eq!(state.breakouts(), [SideRoomId(1), SideRoomId(4)]);
    }

    #[test]
    fn the_state_is_read_however_json_spells_it() {
        let state = r#"{"plenary": {"open": false}, "plenary": {"open": true}, "breakouts": [{"id": 3.0}],
            "auth": {"is_authenticated": true, "id": 6.0}}"#;
        let state = InitialState::find(page(state).as_bytes()).unwrap();
        assert_eq!((state.user().unwrap(), state.breakouts()), (6, vec![SideRoomId(3)]));
        assert!(state.check_open().is_ok());
    }

    #[test]
    fn a_title_that_names_the_state_is_not_mistaken_for_it() {
        let body = format!("<title>window.__INITIAL_STATE__ = {{}}</title>{}", page(STATE));
        assert_eq!(InitialState::find(body.as_bytes()).unwrap().user().unwrap(), 6);
    }

    #[test]
    fn no_state_and_bad_state_are_told_apart() {
        let kind = |body: &str| InitialState::find(body.as_bytes()).unwrap_err().kind;
        assert_eq!(kind("<html></html>"), vocabulary::NO_STATE);
        assert_eq!(kind("window.__INITIAL_STATE__ = {\"plenary\": {\"open\": tr"), vocabulary::BAD_STATE);
        assert_eq!(kind("window.__INITIAL_STATE__ = undefined;"), vocabulary::BAD_STATE);
        let deep = page(&format!("{{\"plenary\": {}", "[".repeat(1_000_000)));
        assert_eq!(kind(&deep), vocabulary::BAD_STATE);
        let ignored = page(&format!("{{\"x\": {}", "[".repeat(1_000_000)));
        assert_eq!(kind(&ignored), vocabulary::BAD_STATE);
    }

    #[test]
    fn closed_future_and_cancelled_are_told_apart() {
        let failure = |plenary: &str| {
            InitialState::find(page(&format!("{{\"plenary\": {plenary}}}")).as_bytes())
                .unwrap()
                .check_open()
                .unwrap_err()
        };
        let cancelled = failure(r#"{"open": false, "canceled": true}"#);
        assert_eq!(cancelled.kind, vocabulary::EVENT_CANCELLED);
        let future = failure(r#"{"open": false, "doors_open": "2999-01-01T00:00:00.5Z"}"#);
        assert_eq!(future.kind, vocabulary::EVENT_CLOSED);
        assert!(future.detail.contains("doors open at 2999-01-01"), "{future}");
        let past = failure(r#"{"open": false, "doors_open": null, "doors_close": "2020-01-01T00:00:00+00:00"}"#);
        assert!(past.detail.contains("doors closed at 2020-01-01"), "{past}");
    }

    #[test]
    fn a_limit_of_zero_is_none() {
        let capacity = |plenary: &str| {
            InitialState::find(page(&format!("{{\"plenary\": {plenary}}}")).as_bytes()).unwrap().capacity()
        };
        assert_eq!(capacity(r#"{"max_participants": 100}"#), Some(100));
        for none in [r#"{"max_participants": 0}"#, r#"{"max_participants": null}"#, "{}"] {
            assert_eq!(capacity(none), None, "{none}");
        }
    }

    #[test]
    fn a_reduced_state_means_signed_out() {
        let state = InitialState::find(page(r#"{"plenary": {"open": true}}"#).as_bytes()).unwrap();
        assert_eq!(state.user().unwrap_err().kind, FailureKind::SignedOut);
    }

    proptest! {
        #[test]
        fn arbitrary_pages_never_panic(before in ".{0,50}", json in ".{0,200}") {
            let _ = InitialState::find(format!("{before}window.__INITIAL_STATE__ = {json}").as_bytes());
        }
    }
}
