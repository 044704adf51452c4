//! The values that flags, variables and files hold: one type each, parsed in one place.
//!
//! Every layer parses a value with the same [`FromStr`], so that `5/s` means the same everywhere. A
//! [`ValueError`] says what is accepted; its reporter adds the value and its origin. These types know
//! neither flags nor files.

mod choice;
mod connection;
mod error;
mod given;
mod limit;
mod names;
mod number;
mod rate;
mod room;
mod shard;
mod socket_place;
mod target_url;
mod time;
mod watch;

use std::path::PathBuf;
use std::str::FromStr;

use crate::model::{Alphabet, LogFormat, OtlpEndpoint, Pacing, Reconnect, Shard};
use crate::server::PresenceMode;

pub use choice::Switch;
pub use connection::{HeaderText, ProxyText, ResolveText};
pub use error::{ValueError, shown};
pub use given::{Given, Value};
pub use limit::{Amount, OrOff};
pub use names::{Password, PathPrefix, ProtocolName, RunId, Slug, UsernameTemplate, Variable};
pub use number::{ByteSize, Chattiness, Count, Percent, ShardCount, UserNumber};
pub use rate::{Per, Rate};
pub use room::{MessageSize, RoomCount, RoomNumber, Speakers};
pub use shard::{UserRange, shard};
pub use socket_place::SocketPlace;
pub use target_url::TargetUrl;
pub use time::{DurationRange, Span, StartAt, Wait};
pub use watch::{WatchText, shown_watch};

macro_rules! single_values {
    ($($ty:ty),+ $(,)?) => {$(
        impl Value for $ty {
            fn read(given: &Given) -> Result<Self, ValueError> {
                match given {
                    Given::One(text) => text.parse(),
                    Given::Many(_) => Err(ValueError::new("give a single value, not a list")),
                }
            }
        }
    )+};
}

single_values!(
    Alphabet,
    ByteSize,
    Chattiness,
    Count,
    DurationRange,
    OtlpEndpoint,
    Listen,
    LogFormat,
    MessageSize,
    Pacing,
    Password,
    PathPrefix,
    Percent,
    PresenceMode,
    ProtocolName,
    ProxyText,
    Rate,
    Reconnect,
    RoomCount,
    RoomNumber,
    RunId,
    Shard,
    ShardCount,
    Slug,
    SocketPlace,
    Span,
    Speakers,
    StartAt,
    Switch,
    TargetUrl,
    UserNumber,
    UsernameTemplate,
    Wait,
);

impl Value for PathBuf {
    fn read(given: &Given) -> Result<Self, ValueError> {
        match given {
            Given::One(text) if !text.is_empty() => Ok(Self::from(text)),
            _ => Err(ValueError::new("give the path of a file")),
        }
    }
}

/// A list: a repeated flag, an array in the file, separated by commas in the environment.
impl Value for Vec<Variable> {
    fn read(given: &Given) -> Result<Self, ValueError> {
        match given {
            Given::One(text) => text.lines().filter(|line| !line.is_empty()).map(str::parse).collect(),
            Given::Many(texts) => texts.iter().map(|text| text.parse()).collect(),
        }
    }
}

impl Value for Vec<SourceIp> {
    fn read(given: &Given) -> Result<Self, ValueError> {
        match given {
            Given::One(text) => text.split(',').map(|part| part.trim().parse()).collect(),
            Given::Many(texts) => texts.iter().map(|text| text.parse()).collect(),
        }
    }
}

/// An address and port to listen on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listen(pub std::net::SocketAddr);

impl FromStr for Listen {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        text.parse().map(Self).map_err(|_| {
            ValueError::new("not an IP address with a port; give one such as 127.0.0.1:9464 or [::1]:0 (0 picks one)")
        })
    }
}

/// A local address to connect from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceIp(pub std::net::IpAddr);

impl FromStr for SourceIp {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        text.parse()
            .map(Self)
            .map_err(|_| ValueError::new("not an IP address; give one of this machine, such as 127.0.0.2"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_from_commas_and_from_arrays() {
        let one = Vec::<SourceIp>::read(&Given::One("127.0.0.2, 127.0.0.3".into())).unwrap();
        let many = Vec::<SourceIp>::read(&Given::Many(vec!["127.0.0.2".into(), "127.0.0.3".into()])).unwrap();
        assert_eq!(one, many);
        assert!(Vec::<SourceIp>::read(&Given::One("127.0.0.2,,".into())).is_err());
    }

    #[test]
    fn a_list_is_not_a_single_value() {
        assert!(Rate::read(&Given::Many(vec!["5/s".into()])).is_err());
    }
}
