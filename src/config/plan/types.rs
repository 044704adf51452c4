//! The parts of a plan. An option with a default is not an `Option` here; `None` means "not wanted".

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::super::value::{DurationRange, MessageSize, Rate, RunId, UserRange, UsernameTemplate, WatchText};
use super::division::Division;
use super::resolved::ResolvedOption;
use crate::error::StartError;
use crate::model::{
    Account, AccountRow, Accounts, Action, Alphabet, DeliveryTerms, LogFormat, OtlpEndpoint, Pacing, Reconnect, Rules,
    Secret, Shard, Thresholds, Volume,
};
use crate::transport::ConnectionOptions;

/// A run's load, independent of the target.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The protocol that is spoken.
    pub protocol: ProtocolChoice,
    /// Who takes part.
    pub users: Users,
    /// The division of the users among rooms and senders.
    pub division: Division,
    /// What they do.
    pub traffic: Traffic,
    /// When, and how fast at the start.
    pub timing: Timing,
    /// When a delivery is late or lost.
    pub terms: DeliveryTerms,
    /// When the run has failed.
    pub thresholds: Thresholds,
    /// Whether thresholds leave out planned disruptions.
    pub tolerates_marked: bool,
    /// The rules of `--fail-if` and `--abort-if`.
    pub rules: Rules,
    /// How to reach the server.
    pub connection: ConnectionOptions,
    /// What is written where.
    pub report: Report,
    /// How log lines look.
    pub logging: Logging,
    /// Every option in force, without secrets.
    pub options: Vec<ResolvedOption>,
    /// Whether to print the options and do nothing else.
    pub dry_run: bool,
}

impl Plan {
    /// This generator's part of a rate of the whole run; `None`: off.
    #[must_use]
    pub fn part_of_rate(&self, action: Action, rate: Option<Rate>) -> Volume<Rate> {
        let Some(rate) = rate else { return Volume::Off };
        if action != Action::Chat || self.division.all_speak() {
            return Volume::Total(rate.part(self.users.shard));
        }
        // A shard's part follows from its speakers.
        let speakers = self.division.speakers_around(self.users.range);
        rate.part_of_users(speakers).map_or(Volume::Off, Volume::Total)
    }
}

/// The protocol of a command, with the errors that the registry and the protocol may raise: only the
/// configuration knows where each option was given.
#[derive(Debug, Clone)]
pub struct ProtocolChoice {
    /// Its name.
    pub name: String,
    /// The variables of `--set`, in their order.
    pub set: Vec<(String, String)>,
    /// Whether it may run programs.
    pub allow_exec: bool,
    /// The columns of the file of accounts; empty without one.
    pub columns: Vec<String>,
    /// The error to raise if the protocol asks for passwords; `None` if the accounts have them.
    pub no_passwords: Option<StartError>,
    /// The run's id.
    pub run: String,
    /// The error to raise if there is no protocol of this name, without a remedy.
    pub unknown: StartError,
    /// The error to raise if the protocol takes no variables; `None` if none were given.
    pub variables: Option<StartError>,
    /// The error to raise if the protocol has no side rooms; `None` if no option asks for them.
    pub side_rooms: Option<StartError>,
    /// The error to raise if messages would be too long for the protocol, without a reason.
    pub too_long: StartError,
    /// The error to raise if usernames would be too long for the protocol, without a reason.
    pub long_username: StartError,
}

impl ProtocolChoice {
    /// An error about the file that was named.
    #[must_use]
    pub fn wrong(&self, why: String) -> StartError {
        self.unknown.because(why)
    }
}

/// Ignores where options were given.
impl PartialEq for ProtocolChoice {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.set == other.set && self.allow_exec == other.allow_exec
    }
}

impl Eq for ProtocolChoice {}

/// Who takes part.
#[derive(Debug, Clone, PartialEq)]
pub struct Users {
    /// The users of this generator: its shard's part.
    pub range: UserRange,
    /// The users of the whole fleet.
    pub fleet_range: UserRange,
    /// Their names, unless a file of accounts has them.
    pub template: UsernameTemplate,
    /// Their existing accounts, if they were given.
    pub accounts: Option<Accounts>,
    /// This generator's shard of the fleet.
    pub shard: Shard,
    /// Their password; `None`: generated once per target and kept in the cache.
    pub password: Option<Secret>,
    /// The cache of their sessions.
    pub cache: Cache,
    /// Maximum rate of sign-ups and log-ins, this shard's part.
    pub sign_in_rate: Rate,
}

impl Users {
    /// The username of a user of this generator's range.
    #[must_use]
    pub fn username(&self, number: u32) -> String {
        match &self.accounts {
            Some(accounts) => accounts.username(self.place(number)).to_owned(),
            None => self.template.name(number),
        }
    }

    /// The account of a user of this generator's range; `password` is for accounts without their own.
    #[must_use]
    pub fn account(&self, number: u32, password: &Secret) -> Account {
        let own = self.accounts.as_ref().and_then(|accounts| accounts.password(self.place(number)));
        Account { username: self.username(number), password: own.unwrap_or_else(|| password.clone()) }
    }

    /// The row of a user of this generator's range in the file of accounts.
    #[must_use]
    pub fn row(&self, number: u32) -> AccountRow {
        self.accounts.as_ref().map(|accounts| accounts.row(self.place(number))).unwrap_or_default()
    }

    fn place(&self, number: u32) -> usize {
        number.saturating_sub(self.range.min()) as usize
    }
}

/// Saved sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cache {
    /// Their location.
    pub place: CacheLocation,
    /// Whether they are read but not written.
    pub read_only: bool,
}

/// Location of saved sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CacheLocation {
    /// Nowhere: the demo's target forgets everything when it ends.
    Nowhere,
    /// In this file.
    File(PathBuf),
    /// In this directory, in a file named after the target.
    Directory(PathBuf),
}

/// What users do.
#[derive(Debug, Clone, PartialEq)]
pub struct Traffic {
    /// Chats.
    pub chat: Volume<Rate>,
    /// Chats per second of the whole fleet, once all are connected.
    pub fleet_chat: f64,
    /// Leaves, each with a return after `away`.
    pub leave: Volume<Rate>,
    /// Joins of a side room, each for `side_room_stay`.
    pub side_room: Volume<Rate>,
    /// How long a user who left stays away.
    pub away: DurationRange,
    /// How long a user stays in a side room.
    pub side_room_stay: DurationRange,
    /// How users reconnect after their connection ends.
    pub reconnect: Reconnect,
    /// What chats look like.
    pub messages: Messages,
    /// How intents are spread over time.
    pub pacing: Pacing,
    /// The seed of random choices; shards of one run mix their index into it.
    pub seed: u64,
}

/// The texts of chats, after their markers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Messages {
    /// Their length in bytes; `None`: 3 to 30 words.
    pub size: Option<MessageSize>,
    /// Their characters.
    pub alphabet: Alphabet,
}

/// When, and how fast at the start.
#[derive(Debug, Clone, PartialEq)]
pub struct Timing {
    /// How long to run, the ramp included; `None`: until stopped.
    pub duration: Option<Duration>,
    /// When to start; `None`: at once.
    pub start_at: Option<SystemTime>,
    /// Rate at which users start, this shard's part.
    pub ramp: Rate,
    /// Maximum rate of opening sockets, this shard's part.
    pub connect_rate: Rate,
    /// Longest wait of a stop for outstanding deliveries.
    pub grace: Duration,
    /// Length of a slice of the timeline; only tests have slices of less than a minute.
    pub slice: Duration,
}

/// What is written where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Address of `/metrics`; port 0 picks a free one.
    pub metrics_listen: SocketAddr,
    /// The run id.
    pub run_id: RunId,
    /// The summary as JSON.
    pub summary: Option<PathBuf>,
    /// The report as an HTML page.
    pub page: Option<PathBuf>,
    /// The table of thresholds as JUnit XML.
    pub junit: Option<PathBuf>,
    /// Lost, corrupt, duplicate, reordered and unexpected deliveries as JSON lines.
    pub anomaly_log: Option<PathBuf>,
    /// The socket of `soakrig ctl`.
    pub control_socket: Option<PathBuf>,
    /// Series of the server's own metrics, with distinct names.
    pub watch: Vec<WatchText>,
    /// Endpoint of traces.
    pub otlp_endpoint: Option<OtlpEndpoint>,
    /// Whether the server is sent `traceparent` headers.
    pub traceparent: bool,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Logging {
    /// Their format.
    pub format: LogFormat,
    /// Whether every step is logged.
    pub verbose: bool,
}
