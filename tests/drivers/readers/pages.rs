//! Pages: forms and `__INITIAL_STATE__`, on any bytes.

use soakrig::drivers::plenary::fuzzing;
use soakrig::model::{Failure, FailureKind};

/// Whether a text may be shown on a terminal: short, and nothing in it that steers one.
fn is_plain(text: &str) -> bool {
    text.chars().count() <= Failure::DETAIL_LIMIT && steers_nothing(text)
}

fn steers_nothing(text: &str) -> bool {
    !text.chars().any(|c| c.is_control() || matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}'))
}

/// The fuzz target. No reader panics; whatever is said of a page is fit for a terminal; a failure
/// is of the kinds that a page can have; what stands before the state changes nothing.
pub fn hold(body: &[u8]) {
    match fuzzing::form(body) {
        Err(failure) => assert!(failure.kind == FailureKind::NoCsrf && is_plain(&failure.detail), "{failure:?}"),
        Ok(form) => {
            // Several reasons; a failure made of them is shortened.
            assert!(form.reasons.len() < 16_000 && steers_nothing(&form.reasons), "{:?}", form.reasons);
            match form.csrf {
                Ok(token) => assert!(!token.is_empty()),
                Err(failure) => {
                    assert!(failure.kind == FailureKind::NoCsrf && is_plain(&failure.detail), "{failure:?}")
                }
            }
        }
    }
    let state = fuzzing::state(body);
    match &state {
        Err(failure) => {
            let known = matches!(failure.kind, FailureKind::NoState | FailureKind::BadState);
            assert!(known && is_plain(&failure.detail), "{failure:?}");
        }
        Ok(said) => assert!(said.values().all(|text| is_plain(text.split_once(": ").map_or(text, |(_, it)| it)))),
    }
    // A name that ends in the middle of this prefix would be another.
    let behind = [b"<!doctype html> {\"plenary\": ".as_slice(), body].concat();
    let again = fuzzing::state(&behind);
    assert_eq!(state.map_err(|failure| failure.kind), again.map_err(|failure| failure.kind));
}
