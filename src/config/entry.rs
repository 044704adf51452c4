//! One option of a layer: its value, the value's origin, and the option's name in each layer.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use super::environment::PREFIX;
use super::value::Given;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValueOrigin {
    /// The command line.
    Flag,
    /// The option's environment variable.
    Variable,
    /// A line, from 1, of the configuration file.
    File {
        /// The file as it was named.
        path: PathBuf,
        /// The line of the key.
        line: usize,
    },
}

/// One option of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GivenOption {
    pub(crate) key: &'static str,
    pub(crate) given: Given,
    pub(crate) origin: ValueOrigin,
}

/// The values of options as texts, by key; a list has one line per member. Some are secrets.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct OptionTexts(pub BTreeMap<String, String>);

impl fmt::Debug for OptionTexts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// The option's name on the command line.
#[must_use]
pub fn flag(key: &str) -> String {
    match key {
        "url" => "<URL>".to_owned(),
        "plenary" => "<PLENARY_SLUG>".to_owned(),
        _ => format!("--{}", in_file(key)),
    }
}

/// The option's variable.
#[must_use]
pub fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.to_ascii_uppercase())
}

/// The option's name in the file.
#[must_use]
pub fn in_file(key: &str) -> String {
    key.replace('_', "-")
}

/// `, did you mean …?` if one of the names is similar, else nothing.
pub(crate) fn nearest(name: &str, names: impl Iterator<Item = String>) -> String {
    names
        .map(|candidate| (strsim::jaro_winkler(name, &candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.85)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map_or_else(String::new, |(_, candidate)| format!(", did you mean {candidate}?"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::settings::Settings;

    #[test]
    fn each_layer_has_its_name_for_an_option() {
        assert_eq!(flag("user_range_max"), "--user-range-max");
        assert_eq!(variable("user_range_max"), "SOAKRIG_USER_RANGE_MAX");
        assert_eq!(in_file("user_range_max"), "user-range-max");
        assert_eq!(flag("url"), "<URL>");
    }

    #[test]
    fn a_near_name_is_suggested_and_a_far_one_is_not() {
        let keys = || Settings::keys().map(in_file);
        assert_eq!(nearest("chatrate", keys()), ", did you mean chat-rate?");
        assert_eq!(nearest("quux", keys()), "");
    }
}
