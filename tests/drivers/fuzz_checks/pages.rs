//! Checks the parsers of forms and `__INITIAL_STATE__`, on any bytes.

use soakrig::drivers::plenary::fuzzing;
use soakrig::drivers::plenary::vocabulary;
use soakrig::model::Failure;

/// Whether a text may be shown on a terminal: short, without control characters.
fn is_plain(text: &str) -> bool {
    text.chars().count() <= Failure::DETAIL_LIMIT && has_no_control_characters(text)
}

fn has_no_control_characters(text: &str) -> bool {
    !text.chars().any(|c| c.is_control() || matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}'))
}

/// The fuzz target. No parser panics; every text about a page is fit for a terminal; a failure has one
/// of the kinds that a page can have; text before the state changes nothing.
pub fn check(body: &[u8]) {
    match fuzzing::form(body) {
        Err(failure) => assert!(failure.kind == vocabulary::NO_CSRF && is_plain(&failure.detail), "{failure:?}"),
        Ok(form) => {
            // Several reasons; a failure made of them is shortened.
            assert!(form.reasons.len() < 16_000 && has_no_control_characters(&form.reasons), "{:?}", form.reasons);
            match form.csrf {
                Ok(token) => assert!(!token.is_empty()),
                Err(failure) => {
                    assert!(failure.kind == vocabulary::NO_CSRF && is_plain(&failure.detail), "{failure:?}")
                }
            }
        }
    }
    let state = fuzzing::state(body);
    match &state {
        Err(failure) => {
            let known = matches!(failure.kind, vocabulary::NO_STATE | vocabulary::BAD_STATE);
            assert!(known && is_plain(&failure.detail), "{failure:?}");
        }
        Ok(texts) => assert!(texts.values().all(|text| is_plain(text.split_once(": ").map_or(text, |(_, it)| it)))),
    }
    // A name that ends in the middle of this prefix would be another.
    let prefixed = [b"<!doctype html> {\"plenary\": ".as_slice(), body].concat();
    let again = fuzzing::state(&prefixed);
    assert_eq!(state.map_err(|failure| failure.kind), again.map_err(|failure| failure.kind));
}
