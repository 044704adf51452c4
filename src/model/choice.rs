//! Choices that several modules read.

use std::fmt;
use std::time::Duration;

/// How intents are spread over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pacing {
    /// At equal distances.
    Even,
    /// At random distances (exponential) of the same mean.
    Poisson,
}

/// Which characters messages are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Alphabet {
    /// Latin letters and spaces.
    #[default]
    Ascii,
    /// Letters of many scripts and emoji: 1 to 4 bytes each in UTF-8.
    Unicode,
}

/// How a user reconnects after its connection ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Reconnect {
    /// After a wait that doubles each time, within the rate of connects.
    #[default]
    Backoff,
    /// At once, ignoring the rate of connects; the backoff follows a failed attempt.
    Immediate,
    /// After a wait of this length.
    Fixed(Duration),
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people.
    #[default]
    Human,
    /// One JSON object per line.
    Json,
}

/// The endpoint of traces, with a valid URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OtlpEndpoint {
    /// OTLP over HTTP with protobuf bodies, to this URL.
    Http(String),
    /// OTLP over gRPC without TLS, to this `http` URL.
    Grpc(String),
}

impl fmt::Display for OtlpEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(url) => f.write_str(url),
            Self::Grpc(url) => {
                let host = url.strip_prefix("http://").unwrap_or(url);
                write!(f, "grpc://{}", host.split('/').next().unwrap_or(host))
            }
        }
    }
}
