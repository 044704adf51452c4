//! The names of failures, and the consequence of each.

use std::time::Duration;

use super::error::{closest, listed};
use super::names::Problem;
use crate::model::FailureClass;

/// The names with a consequence; after any other failure the user retries.
pub const KNOWN: [(&str, FailureClass); 14] = [
    ("name_taken", FailureClass::NameTaken),
    ("wrong_password", FailureClass::Final),
    ("signup_refused", FailureClass::Final),
    ("forbidden", FailureClass::Final),
    ("signed_out", FailureClass::SignedOut),
    ("locked", FailureClass::Wait(LOCKED)),
    ("over_capacity", FailureClass::Retry),
    ("too_many_requests", FailureClass::Retry),
    ("unavailable", FailureClass::Retry),
    ("not_found", FailureClass::HopelessAtStart),
    ("event_closed", FailureClass::HopelessAtStart),
    ("event_cancelled", FailureClass::HopelessAtStart),
    ("refused", FailureClass::Retry),
    ("server_message", FailureClass::Retry),
];

/// Wait of a user that was locked out.
const LOCKED: Duration = Duration::from_secs(330);
/// Longest name, in characters; names become label values.
const LONGEST: usize = 32;

/// A failure named by the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Its name, a label value.
    pub name: Box<str>,
    /// The consequence.
    pub class: FailureClass,
}

impl Outcome {
    /// The failure with a name.
    pub(super) fn named(name: &str) -> Result<Self, Problem> {
        label(name)?;
        let known = KNOWN.iter().find(|(known, _)| *known == name).map(|(_, class)| *class);
        if known.is_none()
            && let Some(near) = closest(name, KNOWN.map(|(name, _)| name)).filter(|near| typo(name, near))
        {
            let remedy = format!("the known failures are {}", listed(KNOWN.map(|(name, _)| name)));
            return Err((format!("{name:?} is not a known failure; did you mean {near}?"), remedy));
        }
        Ok(Self { name: name.into(), class: known.unwrap_or(FailureClass::Retry) })
    }
}

/// Whether a name is so similar to a known one that it is probably a typo.
fn typo(name: &str, known: &str) -> bool {
    strsim::damerau_levenshtein(&name.replace('-', "_"), known) <= 2
}

/// Checks that a text may become a label value.
pub(super) fn label(name: &str) -> Result<(), Problem> {
    let fits = !name.is_empty()
        && name.len() <= LONGEST
        && name.bytes().all(|b| b == b'_' || b.is_ascii_lowercase() || b.is_ascii_digit());
    if fits {
        return Ok(());
    }
    Err((format!("{name:?} cannot be a name here"), format!("use up to {LONGEST} of a-z, 0-9 and _")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_name_has_its_class_and_any_other_is_tried_again() {
        assert_eq!(Outcome::named("name_taken").unwrap().class, FailureClass::NameTaken);
        assert_eq!(Outcome::named("wrong_password").unwrap().class, FailureClass::Final);
        assert_eq!(Outcome::named("kicked_by_bot").unwrap().class, FailureClass::Retry);
    }

    #[test]
    fn a_slip_in_a_known_name_is_refused() {
        for name in ["name_takn", "wrong-password", "Signed_out", "signedout"] {
            let (why, remedy) = Outcome::named(name).unwrap_err();
            assert!(why.contains("did you mean") || remedy.contains("a-z"), "{name}: {why}; {remedy}");
        }
        assert!(Outcome::named("").is_err() && Outcome::named(&"x".repeat(33)).is_err());
    }
}
