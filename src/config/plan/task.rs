//! What the process is to do: one of the commands, with all it needs.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::super::value::{PathPrefix, Slug, TargetUrl};
use super::types::{Logging, Plan, ProtocolChoice, Users};
use crate::server::Faults;
use crate::server::PresenceMode;
use crate::transport::ConnectionOptions;

/// What the process is to do.
#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::large_enum_variant)]
pub enum Task {
    /// `soakrig run`: at least one load; several are held at once.
    Run(Vec<Run>),
    /// `soakrig demo`.
    Demo(Demo),
    /// `soakrig target`.
    Target(Target),
    /// `soakrig check`.
    Check(Check),
    /// `soakrig cleanup`.
    Cleanup(Cleanup),
    /// `soakrig merge`.
    Merge(Merge),
    /// `soakrig ctl`.
    Ctl(Ctl),
    /// `soakrig report`.
    Report(ReportPage),
    /// `soakrig health`.
    Health(Health),
}

/// A load on a server.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// The server.
    pub target: TargetUrl,
    /// The plenary on it.
    pub plenary: Slug,
    /// The load.
    pub plan: Plan,
}

/// A load on the embedded target.
#[derive(Debug, Clone, PartialEq)]
pub struct Demo {
    /// Its member lists.
    pub presence: PresenceMode,
    /// How many numbered plenaries it has, and the number of the first; `None`: the load is on one without.
    pub rooms: Option<(u32, u32)>,
    /// The load.
    pub plan: Plan,
}

/// The embedded target alone.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// Where it is.
    pub listen: SocketAddr,
    /// Where its faults are changed; always loopback.
    pub control: Option<SocketAddr>,
    /// How many numbered plenaries it has beside its own, and the number of the first.
    pub rooms: Option<(u32, u32)>,
    /// The path before every request.
    pub prefix: PathPrefix,
    /// Its member lists.
    pub presence: PresenceMode,
    /// Where chance begins.
    pub seed: u64,
    /// What goes wrong on purpose.
    pub faults: Faults,
    /// How log lines look.
    pub logging: Logging,
}

/// Two users through every step.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// The protocol that is spoken.
    pub protocol: ProtocolChoice,
    /// The server.
    pub target: TargetUrl,
    /// The plenary on it.
    pub plenary: Slug,
    /// The first two users of its range take part.
    pub users: Users,
    /// Whether a silent connection is watched, which takes 90 s.
    pub patient: bool,
    /// The way to the server.
    pub connection: ConnectionOptions,
    /// How log lines look.
    pub logging: Logging,
}

/// Accounts to delete.
#[derive(Debug, Clone, PartialEq)]
pub struct Cleanup {
    /// The protocol that is spoken.
    pub protocol: ProtocolChoice,
    /// The server.
    pub target: TargetUrl,
    /// Whose accounts.
    pub users: Vec<Users>,
    /// The way to the server.
    pub connection: ConnectionOptions,
    /// How log lines look.
    pub logging: Logging,
}

/// Summaries to make one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merge {
    /// The files, at least one.
    pub files: Vec<PathBuf>,
    /// Where the result goes as JSON.
    pub output: Option<PathBuf>,
    /// Where its table of thresholds goes as JUnit XML.
    pub junit: Option<PathBuf>,
}

/// A command for running generators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ctl {
    /// The sockets that were named.
    pub sockets: Vec<PathBuf>,
    /// Where those are that were not; `None` where the system has no place for them.
    pub directory: Option<PathBuf>,
    /// The run whose generators are meant.
    pub run: Option<String>,
    /// Whether answers are printed as JSON.
    pub json: bool,
    /// The command.
    pub line: String,
}

/// Summaries to make a page of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportPage {
    /// The files, at least one; several are merged first.
    pub files: Vec<PathBuf>,
    /// Where the page goes; beside the first file where it is not said.
    pub output: Option<PathBuf>,
}

/// A generator to ask whether it lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Where it serves its metrics.
    pub url: TargetUrl,
    /// The longest wait.
    pub timeout: Duration,
}
