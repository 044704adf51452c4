//! The names of failures, and what follows from each.

use super::error::{closest, listed};
use super::names::Problem;

/// What a user does after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Tries again, later each time.
    Retry,
    /// Tries again after a longer wait: the server wants quiet, or has no room now.
    Wait,
    /// Signs in again: the session is not valid any more.
    SignedOut,
    /// Logs in: the account exists.
    NameTaken,
    /// Gives up: this user will never get in.
    Final,
    /// Nobody will get in: at the start, the run ends.
    Hopeless,
}

/// The names that mean something; any other name is a failure after which a user tries again.
pub const KNOWN: [(&str, Class); 14] = [
    ("name_taken", Class::NameTaken),
    ("wrong_password", Class::Final),
    ("signup_refused", Class::Final),
    ("forbidden", Class::Final),
    ("signed_out", Class::SignedOut),
    ("locked", Class::Wait),
    ("over_capacity", Class::Wait),
    ("too_many_requests", Class::Wait),
    ("unavailable", Class::Wait),
    ("not_found", Class::Hopeless),
    ("event_closed", Class::Hopeless),
    ("event_cancelled", Class::Hopeless),
    ("refused", Class::Retry),
    ("server_message", Class::Retry),
];

/// Names are at most this long: they become label values.
const LONGEST: usize = 32;

/// A failure that the file names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Outcome {
    /// Its name, a label value.
    pub name: Box<str>,
    /// What follows.
    pub class: Class,
}

impl Outcome {
    /// The failure of a name.
    pub(super) fn named(name: &str) -> Result<Self, Problem> {
        label(name)?;
        let known = KNOWN.iter().find(|(known, _)| *known == name).map(|(_, class)| *class);
        if known.is_none()
            && let Some(near) = closest(name, KNOWN.map(|(name, _)| name)).filter(|near| typo(name, near))
        {
            let remedy = format!("the names with a meaning are {}", listed(KNOWN.map(|(name, _)| name)));
            return Err((format!("{name:?} is no failure that has a meaning, did you mean {near}?"), remedy));
        }
        Ok(Self { name: name.into(), class: known.unwrap_or(Class::Retry) })
    }
}

/// Whether a name is so near to a known one that it is a slip.
fn typo(name: &str, known: &str) -> bool {
    strsim::damerau_levenshtein(&name.replace('-', "_"), known) <= 2
}

/// Whether a text may become a label value.
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
        assert_eq!(Outcome::named("name_taken").unwrap().class, Class::NameTaken);
        assert_eq!(Outcome::named("wrong_password").unwrap().class, Class::Final);
        assert_eq!(Outcome::named("kicked_by_bot").unwrap().class, Class::Retry);
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
