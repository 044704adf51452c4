//! The fault settings: by flags at the start and as JSON while the server runs.
//!
//! Plain values: how often each [`Fault`](super::Fault) fires, and how strongly. JSON has the same
//! names in groups: `{"chat": {"drop": "1%"}, "http": {...}}`.

use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use super::drift::DriftRate;
use super::frequency::Frequency;

/// All settings; by default there are no faults.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, Args)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Seed of the random choices; the same seed hits the same events in the same order.
    #[arg(id = "fault-seed", long = "fault-seed", value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// What goes wrong with chats.
    #[command(flatten)]
    pub chat: ChatFaults,
    /// What goes wrong with connections.
    #[command(flatten)]
    pub socket: SocketFaults,
    /// What goes wrong with pages.
    #[command(flatten)]
    pub http: HttpFaults,
    /// What goes wrong with member lists.
    #[command(flatten)]
    pub presence: PresenceFaults,
}

/// The unit in which a frequency for chats counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Each delivery, that is each socket's copy of each chat.
    #[default]
    Delivery,
    /// Each chat, with all its deliveries alike.
    Message,
}

/// Faults of chats. A delivery gets at most one: they are tried in the order of these fields,
/// `close`, `cut` and `reset` last, and a frequency counts only the deliveries that got that far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Args)]
#[serde(default, deny_unknown_fields)]
pub struct ChatFaults {
    /// Drop this share of deliveries.
    #[arg(id = "fault-drop", long = "fault-drop", value_name = "FREQUENCY", default_value_t)]
    pub drop: Frequency,
    /// Change a character of the chat's text.
    #[arg(id = "fault-corrupt-bytes", long = "fault-corrupt-bytes", value_name = "FREQUENCY", default_value_t)]
    pub corrupt_bytes: Frequency,
    /// Break the JSON of the chat's frame.
    #[arg(id = "fault-corrupt-json", long = "fault-corrupt-json", value_name = "FREQUENCY", default_value_t)]
    pub corrupt_json: Frequency,
    /// Change a character of the chat's marker.
    #[arg(id = "fault-corrupt-marker", long = "fault-corrupt-marker", value_name = "FREQUENCY", default_value_t)]
    pub corrupt_marker: Frequency,
    /// Write the chat after the next one of the same sender.
    #[arg(id = "fault-reorder", long = "fault-reorder", value_name = "FREQUENCY", default_value_t)]
    pub reorder: Frequency,
    /// Write the chat late.
    #[arg(id = "fault-delay", long = "fault-delay", value_name = "FREQUENCY", default_value_t)]
    pub delay: Frequency,
    /// Delay all chats more and more: by this much per hour, from when it is set.
    #[arg(id = "fault-drift", long = "fault-drift", value_name = "TIME/h", default_value_t)]
    pub drift: DriftRate,
    /// Write the chat twice.
    #[arg(id = "fault-duplicate", long = "fault-duplicate", value_name = "FREQUENCY", default_value_t)]
    pub duplicate: Frequency,
    /// Write the chat in fragments with pings between them.
    #[arg(id = "fault-fragment", long = "fault-fragment", value_name = "FREQUENCY", default_value_t)]
    pub fragment: Frequency,
    /// Write text that is not UTF-8 after the chat.
    #[arg(id = "fault-invalid-utf8", long = "fault-invalid-utf8", value_name = "FREQUENCY", default_value_t)]
    pub invalid_utf8: Frequency,
    /// Write a frame that claims to be compressed after the chat.
    #[arg(id = "fault-compressed", long = "fault-compressed", value_name = "FREQUENCY", default_value_t)]
    pub compressed: Frequency,
    /// Write a large frame after the chat.
    #[arg(id = "fault-oversize", long = "fault-oversize", value_name = "FREQUENCY", default_value_t)]
    pub oversize: Frequency,
    /// Write half of the chat and end the stream.
    #[arg(id = "fault-truncate", long = "fault-truncate", value_name = "FREQUENCY", default_value_t)]
    pub truncate: Frequency,
    /// Write the chat to the sockets of all other plenaries as well; counted by chats,
    /// independently of other faults.
    #[arg(id = "fault-leak", long = "fault-leak", value_name = "FREQUENCY", default_value_t)]
    pub leak: Frequency,
    /// Write the plenary's last N chats, 100 at most, to each new socket.
    #[arg(id = "fault-replay", long = "fault-replay", value_name = "N", default_value_t = 0)]
    pub replay: usize,
    /// Shortest delay.
    #[arg(id = "fault-delay-min", long = "fault-delay-min", value_name = "TIME", value_parser = humantime::parse_duration, default_value = "2s")]
    #[serde(with = "spelled")]
    pub delay_min: Duration,
    /// Longest delay; delays are spread evenly.
    #[arg(id = "fault-delay-max", long = "fault-delay-max", value_name = "TIME", value_parser = humantime::parse_duration, default_value = "5s")]
    #[serde(with = "spelled")]
    pub delay_max: Duration,
    /// How long a reordering waits for the next chat of the sender.
    #[arg(id = "fault-reorder-wait", long = "fault-reorder-wait", value_name = "TIME", value_parser = humantime::parse_duration, default_value = "5s")]
    #[serde(with = "spelled")]
    pub reorder_wait: Duration,
    /// Payload of the large frame, in bytes; small ones are padded to 64.
    #[arg(id = "fault-oversize-bytes", long = "fault-oversize-bytes", value_name = "BYTES", default_value_t = 16 * 1024 * 1024 + 1)]
    pub oversize_bytes: usize,
    /// Spare connections younger than this: whether they should get a chat may be undecided.
    #[arg(id = "fault-min-age", long = "fault-min-age", value_name = "TIME", value_parser = humantime::parse_duration, default_value = "0s")]
    #[serde(with = "spelled")]
    pub min_age: Duration,
    /// What frequencies count.
    #[arg(id = "fault-scope", long = "fault-scope", value_enum, default_value_t)]
    pub scope: Scope,
}

impl Default for ChatFaults {
    fn default() -> Self {
        let never = Frequency::Never;
        Self {
            drop: never,
            corrupt_bytes: never,
            corrupt_json: never,
            corrupt_marker: never,
            reorder: never,
            delay: never,
            drift: DriftRate::default(),
            duplicate: never,
            fragment: never,
            invalid_utf8: never,
            compressed: never,
            oversize: never,
            truncate: never,
            leak: never,
            replay: 0,
            delay_min: Duration::from_secs(2),
            delay_max: Duration::from_secs(5),
            reorder_wait: Duration::from_secs(5),
            oversize_bytes: 16 * 1024 * 1024 + 1,
            min_age: Duration::ZERO,
            scope: Scope::Delivery,
        }
    }
}

/// Faults of connections. `close`, `cut` and `reset` are counted by deliveries of chats, as the
/// faults of chats are; `deaf` and `mute` hold for a share of the connections for as long as set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Args)]
#[serde(default, deny_unknown_fields)]
pub struct SocketFaults {
    /// Close with a close frame instead of a delivery.
    #[arg(id = "fault-close", long = "fault-close", value_name = "FREQUENCY", default_value_t)]
    pub close: Frequency,
    /// Code of these close frames.
    #[arg(id = "fault-close-code", long = "fault-close-code", value_name = "CODE", default_value_t = 1012)]
    pub close_code: u16,
    /// End the stream without a close frame instead of a delivery.
    #[arg(id = "fault-cut", long = "fault-cut", value_name = "FREQUENCY", default_value_t)]
    pub cut: Frequency,
    /// Reset the connection instead of a delivery.
    #[arg(id = "fault-reset", long = "fault-reset", value_name = "FREQUENCY", default_value_t)]
    pub reset: Frequency,
    /// Refuse an upgrade.
    #[arg(id = "fault-refuse-upgrade", long = "fault-refuse-upgrade", value_name = "FREQUENCY", default_value_t)]
    pub refuse_upgrade: Frequency,
    /// Status of these refusals.
    #[arg(id = "fault-refuse-status", long = "fault-refuse-status", value_name = "STATUS", default_value_t = 503)]
    pub refuse_status: u16,
    /// `Retry-After` of these refusals, in seconds; 0 for none.
    #[arg(id = "fault-retry-after", long = "fault-retry-after", value_name = "SECONDS", default_value_t = 0)]
    pub retry_after: u32,
    /// Never answer an upgrade.
    #[arg(id = "fault-hang-upgrade", long = "fault-hang-upgrade", value_name = "FREQUENCY", default_value_t)]
    pub hang_upgrade: Frequency,
    /// The share of connections (0 to 1) that are not read.
    #[arg(id = "fault-deaf", long = "fault-deaf", value_name = "SHARE", default_value_t = 0.0)]
    pub deaf: f64,
    /// The share of connections (0 to 1) to which nothing is written; what they should get is lost.
    #[arg(id = "fault-mute", long = "fault-mute", value_name = "SHARE", default_value_t = 0.0)]
    pub mute: f64,
}

impl Default for SocketFaults {
    fn default() -> Self {
        let never = Frequency::Never;
        Self {
            close: never,
            close_code: 1012,
            cut: never,
            reset: never,
            refuse_upgrade: never,
            refuse_status: 503,
            retry_after: 0,
            hang_upgrade: never,
            deaf: 0.0,
            mute: 0.0,
        }
    }
}

/// Faults of pages, in the order in which they are tried; upgrades and `/_target/` are exempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Args)]
#[serde(default, deny_unknown_fields)]
pub struct HttpFaults {
    /// Answer 500.
    #[arg(id = "fault-http-error", long = "fault-http-error", value_name = "FREQUENCY", default_value_t)]
    pub error: Frequency,
    /// Begin the answer late.
    #[arg(id = "fault-slow-first-byte", long = "fault-slow-first-byte", value_name = "FREQUENCY", default_value_t)]
    pub slow_first_byte: Frequency,
    /// Send the body in ten pieces, each of them late.
    #[arg(id = "fault-slow-body", long = "fault-slow-body", value_name = "FREQUENCY", default_value_t)]
    pub slow_body: Frequency,
    /// How late a first byte, or a piece of a body, is.
    #[arg(id = "fault-slow-by", long = "fault-slow-by", value_name = "TIME", value_parser = humantime::parse_duration, default_value = "1s")]
    #[serde(with = "spelled")]
    pub slow_by: Duration,
    /// Send a body that never ends.
    #[arg(id = "fault-endless-body", long = "fault-endless-body", value_name = "FREQUENCY", default_value_t)]
    pub endless_body: Frequency,
    /// Leave the CSRF field out of a form; counted by forms.
    #[arg(id = "fault-no-csrf", long = "fault-no-csrf", value_name = "FREQUENCY", default_value_t)]
    pub no_csrf: Frequency,
    /// Leave `__INITIAL_STATE__` out of an event page; counted by event pages.
    #[arg(id = "fault-no-state", long = "fault-no-state", value_name = "FREQUENCY", default_value_t)]
    pub no_state: Frequency,
}

impl Default for HttpFaults {
    fn default() -> Self {
        let never = Frequency::Never;
        Self {
            error: never,
            slow_first_byte: never,
            slow_body: never,
            slow_by: Duration::from_secs(1),
            endless_body: never,
            no_csrf: never,
            no_state: never,
        }
    }
}

/// Faults of plenaries' member lists; the short lists of `--presence off` have none.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, Args)]
#[serde(default, deny_unknown_fields)]
pub struct PresenceFaults {
    /// The share of users (0 to 1) who stay listed when they leave, until they come again or
    /// the share is 0.
    #[arg(id = "fault-ghosts", long = "fault-ghosts", value_name = "SHARE", default_value_t = 0.0)]
    pub ghosts: f64,
    /// The share of users (0 to 1) who are in the room and not listed.
    #[arg(id = "fault-missing", long = "fault-missing", value_name = "SHARE", default_value_t = 0.0)]
    pub missing: f64,
    /// How many more times each full list is sent.
    #[arg(id = "fault-flood", long = "fault-flood", value_name = "TIMES", default_value_t = 0)]
    pub flood: u32,
}

/// Times in JSON as on the command line.
mod spelled {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_duration(*time))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(deserializer)?;
        humantime::parse_duration(&text).map_err(|error| de::Error::custom(format!("`{text}`: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{CommandFactory, Parser};

    #[derive(Parser)]
    struct Line {
        /// A flag of another group with the same field name.
        #[arg(long)]
        seed: Option<u64>,
        #[command(flatten)]
        faults: Faults,
    }

    #[test]
    fn no_flags_and_empty_json_mean_no_faults() {
        Line::command().debug_assert();
        let line = Line::try_parse_from(["target", "--seed", "7"]).unwrap();
        assert_eq!((line.seed, line.faults), (Some(7), Faults::default()));
        assert_eq!(serde_json::from_str::<Faults>("{}").unwrap(), Faults::default());
    }

    #[test]
    fn flags_and_json_give_the_same_settings() {
        let flags = [
            "--fault-drop",
            "1%",
            "--fault-delay-max",
            "9s",
            "--fault-mute",
            "0.5",
            "--fault-scope",
            "message",
            "--fault-drift",
            "1s/h",
        ];
        let line = Line::try_parse_from(["target"].into_iter().chain(flags)).unwrap();
        let json = r#"{"chat": {"drop": "1%", "delay_max": "9s", "scope": "message", "drift": "1s/h"}, "socket": {"mute": 0.5}}"#;
        assert_eq!(line.faults, serde_json::from_str(json).unwrap());
        let shown = serde_json::to_string(&line.faults).unwrap();
        assert_eq!(line.faults, serde_json::from_str(&shown).unwrap());
    }
}
