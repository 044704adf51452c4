//! Errors that keep a run from starting, and every exit code.
//!
//! What a server does wrong is data, not an error: see [`crate::model::Failure`].

use std::fmt;

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExitCode {
    /// The run did what it should.
    Ok = 0,
    /// Wrong flags.
    Usage = 2,
    /// A threshold failed: deliveries lost, or an error rate.
    Threshold = 99,
    /// A wrong file or environment: a busy port, an unwritable directory.
    Environment = 104,
    /// Stopped by a second signal.
    Interrupted = 105,
    /// Invalid: the generator itself could not keep up, and no threshold failed.
    Invalid = 106,
    /// The target refused: no such plenary, closed, wrong password, not reachable at the start.
    Refused = 107,
}

impl ExitCode {
    /// Every code, in ascending order.
    pub const ALL: [Self; 7] =
        [Self::Ok, Self::Usage, Self::Threshold, Self::Environment, Self::Interrupted, Self::Invalid, Self::Refused];

    /// The number that the shell sees.
    #[must_use]
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The code with this number; `None` for an unknown one, such as from another version's summary.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.number() == number)
    }

    /// Rank of this code among several rooms' codes; the process ends with the highest. A server's
    /// fault outranks a generator that could not keep up.
    #[must_use]
    pub fn severity(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Invalid => 1,
            Self::Threshold => 2,
            Self::Refused => 3,
            Self::Interrupted => 4,
            Self::Usage | Self::Environment => 5,
        }
    }

    /// The worst of several codes, by [`severity`](Self::severity); `Ok` for none.
    #[must_use]
    pub fn worst(codes: &[Self]) -> Self {
        codes.iter().copied().max_by_key(|code| code.severity()).unwrap_or(Self::Ok)
    }

    /// What the code means, in words.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Ok => "the run did what it should",
            Self::Usage => "wrong flags",
            Self::Threshold => "a threshold failed",
            Self::Environment => "wrong file or environment",
            Self::Interrupted => "stopped by a second signal",
            Self::Invalid => "invalid: the generator itself could not keep up",
            Self::Refused => "the target refused at the start",
        }
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code.number())
    }
}

/// Why a run cannot start: what is wrong, why, and what to do about it.
///
/// Its `Display` is what people read. It holds no secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("soakrig: {what}: {why}{}", Remedy(.remedy.as_deref()))]
pub struct StartError {
    code: ExitCode,
    what: String,
    why: String,
    remedy: Option<String>,
}

impl StartError {
    /// An error with its own exit code; `what` names the flag, variable, file or server.
    #[must_use]
    pub fn new(code: ExitCode, what: impl Into<String>, why: impl Into<String>) -> Self {
        Self { code, what: what.into(), why: why.into(), remedy: None }
    }

    /// Wrong flags, exit 2.
    #[must_use]
    pub fn usage(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::new(ExitCode::Usage, what, why)
    }

    /// A wrong file or environment, exit 104.
    #[must_use]
    pub fn environment(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::new(ExitCode::Environment, what, why)
    }

    /// The target refused, exit 107.
    #[must_use]
    pub fn refused(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::new(ExitCode::Refused, what, why)
    }

    /// The same error with another reason.
    #[must_use]
    pub fn because(&self, why: impl Into<String>) -> Self {
        Self { why: why.into(), ..self.clone() }
    }

    /// Adds what to do about the error.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// The exit code with which the process should end.
    #[must_use]
    pub fn code(&self) -> ExitCode {
        self.code
    }
}

struct Remedy<'a>(Option<&'a str>);

impl fmt::Display for Remedy<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |text| write!(f, "\n  remedy: {text}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_are_those_that_scripts_rely_on() {
        assert_eq!(ExitCode::ALL.map(ExitCode::number), [0, 2, 99, 104, 105, 106, 107]);
    }

    #[test]
    fn the_worst_of_several_codes_is_105_then_107_99_106_and_0() {
        let mut codes = ExitCode::ALL;
        codes.sort_by_key(|code| std::cmp::Reverse(code.severity()));
        let numbers: Vec<u8> = codes.iter().map(|code| code.number()).filter(|n| ![2, 104].contains(n)).collect();
        assert_eq!(numbers, [105, 107, 99, 106, 0]);
        assert_eq!(ExitCode::worst(&[ExitCode::Ok, ExitCode::Threshold, ExitCode::Invalid]), ExitCode::Threshold);
        assert_eq!(ExitCode::worst(&[]), ExitCode::Ok);
    }

    #[test]
    fn an_error_reads_as_what_why_and_remedy() {
        let error = StartError::environment("--metrics-listen", "127.0.0.1:9464 is in use").remedy("give port 0");
        assert_eq!(error.to_string(), "soakrig: --metrics-listen: 127.0.0.1:9464 is in use\n  remedy: give port 0");
        assert_eq!(error.code(), ExitCode::Environment);
        let plain = StartError::usage("--x", "wrong");
        assert_eq!(plain.to_string(), "soakrig: --x: wrong");
    }
}
