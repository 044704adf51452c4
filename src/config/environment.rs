//! The environment variables that soakrig reads, captured once.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

/// Prefix of soakrig's variables.
pub const PREFIX: &str = "SOAKRIG_";

/// Variables by name; tests make their own.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, OsString>,
}

/// Shows no values: a variable may hold a password.
impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}

impl Environment {
    /// The variables of this process that concern soakrig.
    #[must_use]
    pub fn of_process() -> Self {
        let others = ["HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR", "JOB_COMPLETION_INDEX", "NO_PROXY", "no_proxy"];
        let concerns = |name: &str| name.starts_with(PREFIX) || others.contains(&name);
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
            .filter(|(name, _)| concerns(name))
            .collect();
        Self { variables }
    }

    /// Only these variables.
    pub fn of<N: Into<String>, V: Into<OsString>>(variables: impl IntoIterator<Item = (N, V)>) -> Self {
        Self { variables: variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect() }
    }

    /// A variable, if it is set and not empty; Compose files set variables to nothing if a value is left out.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.variables.get(name).map(OsString::as_os_str).filter(|value| !value.is_empty())
    }

    /// The variables of soakrig that are not empty, by name.
    pub fn ours(&self) -> impl Iterator<Item = (&str, &OsStr)> {
        self.variables
            .iter()
            .filter(|(name, value)| name.starts_with(PREFIX) && !value.is_empty())
            .map(|(name, value)| (name.as_str(), value.as_os_str()))
    }

    /// Directory for this user's state: `$XDG_STATE_HOME/soakrig`, else `~/.local/state/soakrig`; `None`
    /// without a home. Ignores relative paths, as the XDG specification asks.
    #[must_use]
    pub fn state_directory(&self) -> Option<PathBuf> {
        let absolute = |name| self.get(name).map(PathBuf::from).filter(|path| path.is_absolute());
        absolute("XDG_STATE_HOME")
            .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))
            .map(|state| state.join("soakrig"))
    }
}

impl Environment {
    /// Directory for this user's sockets: `$XDG_RUNTIME_DIR/soakrig`; `None` if that variable is not set.
    #[must_use]
    pub fn runtime_directory(&self) -> Option<PathBuf> {
        let directory = self.get("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute())?;
        Some(directory.join("soakrig"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_directory_follows_the_xdg_specification() {
        let at = |pairs: &[(&str, &str)]| Environment::of(pairs.iter().copied()).state_directory();
        assert_eq!(at(&[("XDG_STATE_HOME", "/s"), ("HOME", "/h")]), Some("/s/soakrig".into()));
        assert_eq!(at(&[("XDG_STATE_HOME", "s"), ("HOME", "/h")]), Some("/h/.local/state/soakrig".into()));
        assert_eq!(at(&[("HOME", "")]), None);
    }

    #[test]
    fn values_are_not_in_the_debug_form() {
        let shown = format!("{:?}", Environment::of([("SOAKRIG_PASSWORD", "hunter2")]));
        assert!(shown.contains("SOAKRIG_PASSWORD") && !shown.contains("hunter2"));
    }
}
