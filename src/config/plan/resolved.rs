//! The options of a run in force, each with its origin, for `--dry-run` and the summary.

use super::super::entry::{ValueOrigin, flag, variable};
use super::super::layers::Layers;
use super::super::settings::Settings;
use super::super::value::{shown, shown_watch};

/// Options that concern only the embedded server or this output.
const NOT_OF_A_RUN: [&str; 5] = ["presence", "listen", "control", "prefix", "dry_run"];
/// Options that a demo does not have.
const NOT_OF_A_DEMO: [&str; 4] = ["url", "plenary", "protocol", "set"];

/// An option in force, with secrets masked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedOption {
    /// The flag.
    pub name: String,
    /// The value; `-` if there is none.
    pub value: String,
    /// Where it was given, or `default`.
    pub origin: String,
}

/// Every option of a run, or of a demo.
pub(super) fn resolved(layers: &Layers, demo: bool) -> Vec<ResolvedOption> {
    let help = Settings::described();
    let left_out = |key: &str| NOT_OF_A_RUN.contains(&key) || (demo && NOT_OF_A_DEMO.contains(&key));
    Settings::keys()
        .filter(|key| !left_out(key))
        .map(|key| {
            let default = || {
                let arg = help.get_arguments().find(|arg| arg.get_id().as_str() == key)?;
                default_in(&arg.get_help()?.to_string(), demo)
            };
            let (value, origin) = match (layers.given(key), layers.alternative_of(key)) {
                (Some((text, origin)), _) => (masked(key, text), place(key, origin)),
                (None, Some(other)) => ("-".to_owned(), format!("{} counts", flag(other))),
                (None, None) => (default().unwrap_or_else(|| "-".to_owned()), "default".to_owned()),
            };
            ResolvedOption { name: flag(key), value, origin }
        })
        .collect()
}

/// The default in a help text, between `[default: ` and `]`; a demo's own follows `demo: `.
fn default_in(help: &str, demo: bool) -> Option<String> {
    let said = help.rsplit_once('[')?.1.strip_suffix(']')?.split_whitespace().collect::<Vec<_>>().join(" ");
    let part = |name: &str| said.split("; ").find_map(|part| part.strip_prefix(name)).map(str::to_owned);
    part("demo: ").filter(|_| demo).or_else(|| part("default: "))
}

fn place(key: &str, origin: &ValueOrigin) -> String {
    match origin {
        ValueOrigin::Flag => "command line".to_owned(),
        ValueOrigin::Variable => variable(key),
        ValueOrigin::File { path, line } => format!("{}:{line}", path.display()),
    }
}

/// A value with secrets masked; a list has one line per member.
fn masked(key: &str, text: &str) -> String {
    let one = |line: &str| match key {
        "password" => "***".to_owned(),
        "header" if line.starts_with('@') => shown(line),
        "header" => format!("{}: ***", shown(line.split(':').next().unwrap_or_default())),
        "watch" => shown(&shown_watch(line)),
        "set" => format!("{}=***", shown(line.split('=').next().unwrap_or_default())),
        _ => shown(line),
    };
    text.lines().map(one).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_read_from_the_help() {
        for (help, demo, default) in [
            ("Users [default: 10; demo: 50]", false, Some("10")),
            ("Users [default: 10; demo: 50]", true, Some("50")),
            ("Chats, instead of --chattiness [demo: 5/s]", true, Some("5/s")),
            ("Chats, instead of --chattiness [demo: 5/s]", false, None),
            ("Where [a] is [default:\n127.0.0.1:0]", false, Some("127.0.0.1:0")),
            ("A file", false, None),
        ] {
            assert_eq!(default_in(help, demo).as_deref(), default, "{help}");
        }
    }

    #[test]
    fn secrets_are_masked() {
        for (key, text, masked_text) in [
            ("password", "hunter2", "***"),
            ("header", "Authorization: Bearer hunter2", "Authorization: ***"),
            ("header", "X-A: 1\n@secret.txt", "X-A: ***, @secret.txt"),
            ("set", "token=hunter2", "token=***"),
            ("proxy", "http://me:hunter2@proxy:1", "http://…@proxy:1"),
            ("watch", "rss=http://me:hunter2@h/m?t=hunter2#rss", "rss=http://h/m#rss"),
            ("chat_rate", "5/s", "5/s"),
        ] {
            assert_eq!(masked(key, text), masked_text);
        }
    }
}
