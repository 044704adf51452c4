//! The layers of configuration, one over the other: flags, variables, file.
//!
//! They know the origin of every option's value, so that errors can name it.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::PathBuf;

use crate::error::{ExitCode, StartError};

use super::entry::{GivenOption, OptionTexts, ValueOrigin, flag, in_file, nearest, variable};
use super::environment::Environment;
use super::file;
use super::settings::Settings;
use super::value::{Given, Slug, ValueError, shown};

/// Alternative options: if a higher layer gives one of a group, lower layers do not give another.
const ALTERNATIVES: [&[&str]; 3] = [&["password", "password_file"], &["chattiness", "chat_rate"], &["shard", "shards"]];

/// Variables that are not options: the configuration file, and the filter of log lines.
const OTHER_VARIABLES: [&str; 2] = ["SOAKRIG_CONFIG", "SOAKRIG_LOG"];

/// The options of all layers, and the origin of each.
#[derive(Debug, Clone, Default)]
pub struct Layers {
    /// The options.
    pub settings: Settings,
    /// Warnings to print; none keeps anything from starting.
    pub warnings: Vec<String>,
    /// The `[[plenary]]` tables of the file, in its order.
    pub plenaries: Vec<Table>,
    origins: BTreeMap<&'static str, ValueOrigin>,
    /// The values as texts, where known.
    texts: OptionTexts,
}

/// One of several plenaries in a file. Its table lies below flags and variables, and above the file's top
/// level.
#[derive(Debug, Clone)]
pub struct Table {
    /// The plenary.
    pub slug: Slug,
    /// All options in force for it.
    pub layers: Layers,
    entries: Vec<GivenOption>,
}

impl Table {
    /// Whether the table itself gives the option's value.
    #[must_use]
    pub fn gives(&self, key: &str) -> bool {
        self.entries.iter().any(|entry| entry.key == key && self.layers.origin(key) == Some(&entry.origin))
    }
}

impl Layers {
    /// Lays `flags` over the variables, and those over the file that `--config` or `SOAKRIG_CONFIG` names.
    ///
    /// # Errors
    /// A wrong value in any layer, even if a higher one overrides it; an unknown key in the file; a file that
    /// cannot be read.
    pub fn stack(flags: Settings, config: Option<PathBuf>, environment: &Environment) -> Result<Self, StartError> {
        let origins = Settings::keys().filter(|key| flags.is_set(key)).map(|key| (key, ValueOrigin::Flag)).collect();
        let mut layers = Self { settings: flags, origins, ..Self::default() };
        let variables = layers.variables(environment)?;
        layers.lay_under(&variables)?;
        if let Some(path) = config.or_else(|| environment.get("SOAKRIG_CONFIG").map(PathBuf::from)) {
            let file = file::read(&path)?;
            let upper = layers.clone();
            layers.warnings.extend(file.warnings);
            layers.lay_under(&file.entries)?;
            let tables = file.tables.into_iter().map(|entries| upper.table(entries, &file.entries));
            layers.plenaries = tables.collect::<Result<_, _>>()?;
        }
        Ok(layers)
    }

    /// Lays a plenary's table under these layers, and the file's top level under that.
    fn table(&self, entries: Vec<GivenOption>, top: &[GivenOption]) -> Result<Table, StartError> {
        let mut alone = Self::default();
        alone.lay_under(&entries)?;
        let slug = alone.settings.plenary.plenary.ok_or_else(|| {
            // The file's reader guarantees a slug.
            StartError::environment("[[plenary]]", "a table without its slug")
        })?;
        let mut layers = Self { warnings: Vec::new(), ..self.clone() };
        layers.lay_under(&entries)?;
        layers.lay_under(top)?;
        Ok(Table { slug, layers, entries })
    }

    /// Adds the texts typed on the command line, by key.
    #[must_use]
    pub fn typed(mut self, texts: &OptionTexts) -> Self {
        for table in &mut self.plenaries {
            table.layers = std::mem::take(&mut table.layers).typed(texts);
        }
        let flags = self.origins.iter().filter(|(_, origin)| **origin == ValueOrigin::Flag).map(|(key, _)| *key);
        self.texts.0.extend(flags.filter_map(|key| Some((key.to_owned(), texts.0.get(key)?.clone()))));
        self
    }

    /// A key's value as text, and its origin; `None` if it has none.
    #[must_use]
    pub fn given(&self, key: &str) -> Option<(&str, &ValueOrigin)> {
        Some((self.texts.0.get(key)?, self.origins.get(key)?))
    }

    /// An alternative of this option that was given, if any.
    #[must_use]
    pub fn alternative_of(&self, key: &str) -> Option<&'static str> {
        let set = ALTERNATIVES.iter().find(|set| set.contains(&key))?;
        set.iter().copied().find(|other| *other != key && self.origins.contains_key(other))
    }

    /// The origin of a key's value; `None` if it has none.
    #[must_use]
    pub fn origin(&self, key: &str) -> Option<&ValueOrigin> {
        self.origins.get(key)
    }

    /// An error about contradictory options, or about one that is wrong by itself. Names each of `keys` and
    /// where it was given. Exit code 2 if a flag is among them, else 104.
    #[must_use]
    pub fn conflict(&self, keys: &[&'static str], why: impl Into<String>) -> StartError {
        let names: Vec<String> = keys.iter().map(|key| self.place(key)).collect();
        let mut given = keys.iter().filter_map(|key| self.origin(key)).peekable();
        let by_flag = given.peek().is_none() || given.any(|origin| *origin == ValueOrigin::Flag);
        let code = if by_flag { ExitCode::Usage } else { ExitCode::Environment };
        StartError::new(code, names.join(" and "), why)
    }

    /// The option's name, and where it was given.
    fn place(&self, key: &str) -> String {
        let flag = flag(key);
        match self.origin(key) {
            Some(ValueOrigin::Flag) => flag,
            Some(ValueOrigin::Variable) => format!("{flag} ({})", variable(key)),
            Some(ValueOrigin::File { path, line }) => format!("{flag} ({}:{line})", path.display()),
            None => format!("{flag} (not given)"),
        }
    }

    fn variables(&mut self, environment: &Environment) -> Result<Vec<GivenOption>, StartError> {
        let mut entries = Vec::new();
        for (name, value) in environment.ours() {
            let Some(key) = Settings::keys().find(|key| variable(key) == name) else {
                if name == "SOAKRIG_ALLOW_EXEC" {
                    let why =
                        format!("{name} is ignored: programs can be allowed only by --allow-exec on the command line");
                    self.warnings.push(why);
                } else if !OTHER_VARIABLES.contains(&name) && !is_service_link(name, value) {
                    let hint = nearest(name, Settings::keys().map(variable));
                    self.warnings.push(format!("unknown variable {}{hint}", shown(name)));
                }
                continue;
            };
            let value = value.to_str().ok_or_else(|| StartError::environment(name, "not valid UTF-8"))?;
            entries.push(GivenOption { key, given: Given::One(value.to_owned()), origin: ValueOrigin::Variable });
        }
        Ok(entries)
    }

    /// Adds a lower layer: its values apply where no higher layer gives one.
    fn lay_under(&mut self, layer: &[GivenOption]) -> Result<(), StartError> {
        let taken: Vec<&'static str> = self.origins.keys().copied().collect();
        let is_taken = |key: &str| {
            let same = |other: &&str| ALTERNATIVES.iter().any(|set| set.contains(&key) && set.contains(other));
            taken.contains(&key) || taken.iter().any(same)
        };
        for GivenOption { key, given, origin } in layer {
            let mut checked = Settings::default();
            if let Some(Err(error)) = checked.set(key, given) {
                return Err(wrong_value(key, given, origin, &error));
            }
            if !is_taken(key) {
                self.settings.set(key, given);
                self.origins.insert(key, origin.clone());
                let text = match given {
                    Given::One(text) => text.clone(),
                    Given::Many(texts) => texts.join("\n"),
                };
                self.texts.0.insert((*key).to_owned(), text);
            }
        }
        Ok(())
    }
}

fn wrong_value(key: &str, given: &Given, origin: &ValueOrigin, error: &ValueError) -> StartError {
    let value = match given {
        _ if matches!(key, "password" | "header" | "proxy") => "value".to_owned(),
        Given::One(text) => format!("value '{}'", shown(text)),
        Given::Many(_) => "list".to_owned(),
    };
    match origin {
        ValueOrigin::Flag => StartError::usage(flag(key), format!("invalid {value}: {error}")),
        ValueOrigin::Variable => StartError::environment(variable(key), format!("invalid {value}: {error}")),
        ValueOrigin::File { path, line } => StartError::environment(
            format!("{}:{line}", path.display()),
            format!("invalid {value} for {}: {error}", in_file(key)),
        ),
    }
}

/// Whether Kubernetes or Docker created the variable for a service called soakrig-something.
fn is_service_link(name: &str, value: &OsStr) -> bool {
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || name.contains("_PORT_")
        || (name.ends_with("_PORT") && value.to_string_lossy().contains("://"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alternatives_are_options() {
        let keys: Vec<_> = Settings::keys().collect();
        assert!(ALTERNATIVES.iter().flat_map(|set| set.iter()).all(|key| keys.contains(key)));
    }

    #[test]
    fn every_key_belongs_to_one_group_only() {
        let mut keys: Vec<_> = Settings::keys().collect();
        keys.sort_unstable();
        let all = keys.len();
        keys.dedup();
        assert_eq!(keys.len(), all);
    }

    #[test]
    fn service_links_are_not_options() {
        for (name, value) in [
            ("SOAKRIG_SERVICE_HOST", "10.0.0.1"),
            ("SOAKRIG_SERVICE_PORT_METRICS", "9464"),
            ("SOAKRIG_TARGET_PORT", "tcp://10.0.0.1:8000"),
            ("SOAKRIG_TARGET_PORT_8000_TCP_ADDR", "10.0.0.1"),
        ] {
            assert!(is_service_link(name, OsStr::new(value)), "{name}");
        }
        assert!(!is_service_link("SOAKRIG_REPORT", OsStr::new("x")));
    }
}
