//! The commands: read from a line, and written as one.

use std::fmt;
use std::str::FromStr;

use crate::config::value::{Percent, Rate, shown};
use crate::model::{Action, ControlKind};

/// The longest text of a mark, in characters.
pub const LONGEST_TEXT: usize = 200;

/// Something that a running generator is asked to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Report the state of the run.
    Status,
    /// Change rates.
    Rate(Vec<NewRate>),
    /// Issue no intents.
    Pause,
    /// Issue intents again.
    Resume,
    /// Hold this many users in the whole run.
    Users(u32),
    /// Reset this share of the connections to the room.
    Disconnect(Percent),
    /// Note a remark.
    Mark(MarkText),
    /// Start a planned disruption.
    MarkBegin(MarkText),
    /// End the planned disruption.
    MarkEnd,
    /// Stop cleanly.
    Stop,
    /// End at once.
    Abort,
}

/// A rate of the whole run to be set: `chat=50/s`, `leave=off`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewRate {
    /// The kind of intent.
    pub action: Action,
    /// The rate; `None` for never.
    pub rate: Option<Rate>,
}

/// A text of one line without control characters: 1 to [`LONGEST_TEXT`] characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarkText(String);

/// Why a line is not a command, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct CommandError {
    /// What is wrong, with the input.
    pub why: String,
    /// What to do.
    pub remedy: String,
}

impl CommandError {
    fn new(why: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { why: why.into(), remedy: remedy.into() }
    }
}

impl Command {
    /// Its kind, for counts.
    #[must_use]
    pub fn kind(&self) -> ControlKind {
        match self {
            Self::Status => ControlKind::Status,
            Self::Rate(_) => ControlKind::Rate,
            Self::Pause => ControlKind::Pause,
            Self::Resume => ControlKind::Resume,
            Self::Users(_) => ControlKind::Users,
            Self::Disconnect(_) => ControlKind::Disconnect,
            Self::Mark(_) => ControlKind::Mark,
            Self::MarkBegin(_) => ControlKind::MarkBegin,
            Self::MarkEnd => ControlKind::MarkEnd,
            Self::Stop => ControlKind::Stop,
            Self::Abort => ControlKind::Abort,
        }
    }
}

impl FromStr for NewRate {
    type Err = CommandError;

    fn from_str(text: &str) -> Result<Self, CommandError> {
        let remedy = "give chat, leave or breakout with its rate for the whole run, such as chat=50/s or leave=off";
        let wrong = |why: String| CommandError::new(format!("{}: {why}", shown(text)), remedy);
        let (name, rate) = text.split_once('=').ok_or_else(|| wrong("not a rate".to_owned()))?;
        let action = Action::ALL.iter().copied().find(|action| action.as_str() == name);
        let action = action.ok_or_else(|| wrong("there is no such kind of intent".to_owned()))?;
        let rate = match rate {
            "off" => None,
            rate => Some(rate.parse().map_err(|e| wrong(format!("{e}")))?),
        };
        Ok(Self { action, rate })
    }
}

impl fmt::Display for NewRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.rate {
            Some(rate) => write!(f, "{}={rate}", self.action.as_str()),
            None => write!(f, "{}=off", self.action.as_str()),
        }
    }
}

impl FromStr for MarkText {
    type Err = CommandError;

    fn from_str(text: &str) -> Result<Self, CommandError> {
        let text = text.trim();
        let long = text.chars().count();
        if text.is_empty() {
            return Err(CommandError::new("a mark without a text", "say what it is about: mark deploy of 1.4"));
        }
        if long > LONGEST_TEXT {
            let why = format!("{}: {long} characters", shown(text));
            return Err(CommandError::new(why, format!("give at most {LONGEST_TEXT}")));
        }
        if text.chars().any(is_unseen) {
            let why = format!("{}: a control character", shown(text));
            return Err(CommandError::new(why, "give one line of plain text"));
        }
        Ok(Self(text.to_owned()))
    }
}

/// Whether a character changes how others are shown: control characters, and those that change the
/// text direction.
fn is_unseen(c: char) -> bool {
    c.is_control() || crate::model::turns_direction(c)
}

impl fmt::Display for MarkText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What follows a command's word.
fn words(text: &str) -> (&str, &str) {
    let text = text.trim();
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (word, rest.trim())
}

impl FromStr for Command {
    type Err = CommandError;

    fn from_str(line: &str) -> Result<Self, CommandError> {
        let (word, rest) = words(line);
        let alone = |command: Self| match rest {
            "" => Ok(command),
            _ => Err(CommandError::new(format!("{}: {word} takes nothing more", shown(line)), "leave the rest out")),
        };
        match word {
            "status" => alone(Self::Status),
            "pause" => alone(Self::Pause),
            "resume" => alone(Self::Resume),
            "stop" => alone(Self::Stop),
            "abort" => alone(Self::Abort),
            "rate" => rates(rest),
            "users" => users(rest),
            "disconnect" => disconnect(rest),
            "mark" => mark(rest),
            _ => Err(CommandError::new(
                format!("{}: no such command", shown(line)),
                "give status, rate, pause, resume, users, disconnect, mark, stop or abort",
            )),
        }
    }
}

fn rates(rest: &str) -> Result<Command, CommandError> {
    let rates: Vec<NewRate> = rest.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    let twice = |n: usize, rate: &NewRate| rates.iter().take(n).any(|other| other.action == rate.action);
    match rates.iter().enumerate().find(|(n, rate)| twice(*n, rate)) {
        _ if rates.is_empty() => Err(CommandError::new("rate: no rate", "give one, such as rate chat=50/s")),
        Some((_, rate)) => {
            Err(CommandError::new(format!("{rate}: {} is set twice", rate.action.as_str()), "give each rate once"))
        }
        None => Ok(Command::Rate(rates)),
    }
}

fn users(rest: &str) -> Result<Command, CommandError> {
    let users = if rest.bytes().all(|b| b.is_ascii_digit()) { rest.parse().ok() } else { None };
    users.filter(|users| *users > 0).map(Command::Users).ok_or_else(|| {
        CommandError::new(format!("users {}: not a number of users", shown(rest)), "give one from 1, such as users 500")
    })
}

fn disconnect(rest: &str) -> Result<Command, CommandError> {
    let wrong = |why: String| {
        CommandError::new(format!("disconnect {}: {why}", shown(rest)), "give a share, such as disconnect 100%")
    };
    let share: Percent = rest.parse().map_err(|e| wrong(format!("{e}")))?;
    if percent(share) > 0.0 { Ok(Command::Disconnect(share)) } else { Err(wrong("no user".to_owned())) }
}

/// The share in percent, to six decimals: as it was typed.
fn percent(share: Percent) -> f64 {
    (share.share() * 1e8).round() / 1e6
}

fn mark(rest: &str) -> Result<Command, CommandError> {
    match words(rest) {
        ("begin", text) => text.parse().map(Command::MarkBegin),
        ("end", "") => Ok(Command::MarkEnd),
        _ => rest.parse().map(Command::Mark),
    }
}

/// The line that is sent, without its line break.
impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rate(rates) => {
                f.write_str("rate")?;
                rates.iter().try_for_each(|rate| write!(f, " {rate}"))
            }
            Self::Users(users) => write!(f, "users {users}"),
            Self::Disconnect(share) => write!(f, "disconnect {}%", percent(*share)),
            Self::Mark(text) => write!(f, "mark {text}"),
            Self::MarkBegin(text) => write!(f, "mark begin {text}"),
            Self::MarkEnd => f.write_str("mark end"),
            Self::Status | Self::Pause | Self::Resume | Self::Stop | Self::Abort => f.write_str(self.kind().as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_command_is_read_and_written_alike() {
        for line in [
            "status",
            "rate chat=50/s",
            "rate chat=0.5/s leave=off breakout=3/m",
            "pause",
            "resume",
            "users 500",
            "disconnect 100%",
            "disconnect 12.5%",
            "mark deploy of 1.4",
            "mark begin rolling deploy",
            "mark end",
            "mark endgame",
            "stop",
            "abort",
        ] {
            assert_eq!(line.parse::<Command>().unwrap().to_string(), line);
        }
        assert_eq!("  users   7 ".parse::<Command>().unwrap(), Command::Users(7));
    }

    #[test]
    fn what_is_no_command_is_named_with_its_remedy() {
        for (line, why, remedy) in [
            ("", "no such command", "give status"),
            ("reboot", "reboot: no such command", "give status"),
            ("pause now", "pause now: pause takes nothing more", "leave"),
            ("rate", "no rate", "chat=50/s"),
            ("rate chat=0/s", "chat=0/s", "leave=off"),
            ("rate shout=1/s", "shout=1/s: there is no such kind", "breakout"),
            ("rate chat=1/s chat=2/s", "set twice", "once"),
            ("users 0", "users 0: not a number", "from 1"),
            ("users -1", "users -1", "from 1"),
            ("users 99999999999", "not a number", "from 1"),
            ("disconnect 0%", "no user", "100%"),
            ("disconnect 101%", "101%", "100%"),
            ("disconnect", "not a share", "100%"),
            ("mark", "without a text", "mark deploy"),
            ("mark begin", "without a text", "mark deploy"),
            ("mark a\u{1b}[2J", "a control character", "plain"),
            ("mark a\u{202e}b", "a control character", "plain"),
        ] {
            let error = line.parse::<Command>().unwrap_err();
            assert!(error.why.contains(why) && error.remedy.contains(remedy), "{line}: {error:?}");
        }
        assert!(format!("mark {}", "ü".repeat(200)).parse::<Command>().is_ok());
        assert!(format!("mark {}", "ü".repeat(201)).parse::<Command>().unwrap_err().why.contains("201"));
    }

    proptest! {
        #[test]
        fn arbitrary_lines_never_panic_and_what_is_read_reads_back(line in "\\PC{0,40}") {
            if let Ok(command) = line.parse::<Command>() {
                let line = command.to_string();
                prop_assert_eq!(line.parse::<Command>().unwrap().to_string(), line);
            }
        }
    }
}
