//! The task of the process: one of the commands, with everything it needs.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::super::value::{PathPrefix, Slug, TargetUrl};
use super::types::{Logging, Plan, ProtocolChoice, Users};
use crate::model::GivenTolerance;
use crate::server::Faults;
use crate::server::PresenceMode;
use crate::transport::ConnectionOptions;

/// The task of the process.
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
    /// `soakrig compare`.
    Compare(Compare),
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
    /// The number of numbered plenaries, and the number of the first; `None` if the load is on one without.
    pub rooms: Option<(u32, u32)>,
    /// The load.
    pub plan: Plan,
}

/// The embedded target alone.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// Its address.
    pub listen: SocketAddr,
    /// The address at which faults can be changed; always loopback.
    pub control: Option<SocketAddr>,
    /// The number of numbered plenaries besides its own, and the number of the first.
    pub rooms: Option<(u32, u32)>,
    /// The path before every request.
    pub prefix: PathPrefix,
    /// Its member lists.
    pub presence: PresenceMode,
    /// The seed of random choices.
    pub seed: u64,
    /// What goes wrong on purpose.
    pub faults: Faults,
    /// How log lines look.
    pub logging: Logging,
}

/// A check with two users.
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
    /// How to reach the server.
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
    /// The users whose accounts to delete.
    pub users: Vec<Users>,
    /// How to reach the server.
    pub connection: ConnectionOptions,
    /// How log lines look.
    pub logging: Logging,
}

/// Summaries to merge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merge {
    /// The files, at least one.
    pub files: Vec<PathBuf>,
    /// Destination of the result as JSON.
    pub output: Option<PathBuf>,
    /// Destination of its table of thresholds as JUnit XML.
    pub junit: Option<PathBuf>,
}

/// A command for running generators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ctl {
    /// The sockets that were named.
    pub sockets: Vec<PathBuf>,
    /// The directory to search if none was named; `None` if the system has none.
    pub directory: Option<PathBuf>,
    /// The run whose generators are meant.
    pub run: Option<String>,
    /// Whether answers are printed as JSON.
    pub json: bool,
    /// The command.
    pub line: String,
}

/// Summaries to make an HTML page of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportPage {
    /// The files, at least one; several are merged first.
    pub files: Vec<PathBuf>,
    /// Destination of the page; `None`: beside the first file.
    pub output: Option<PathBuf>,
}

/// Summaries to compare.
#[derive(Debug, Clone, PartialEq)]
pub struct Compare {
    /// The summary of the earlier run.
    pub before: PathBuf,
    /// The summary of the later run.
    pub after: PathBuf,
    /// How much worse a figure may get.
    pub tolerances: Vec<GivenTolerance>,
    /// Destination of the comparison as JSON.
    pub json: Option<PathBuf>,
}

/// A health check of a generator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// The URL of its metrics.
    pub url: TargetUrl,
    /// Longest wait for the answer.
    pub timeout: Duration,
}
