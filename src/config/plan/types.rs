//! The parts of a plan. Where an option has a default there is no `Option` here; where there is
//! one, it means "not wanted".

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

/// A run's load, on whatever target.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The protocol that is spoken.
    pub protocol: ProtocolChoice,
    /// Who takes part.
    pub users: Users,
    /// How they are divided among rooms, and which of them send.
    pub division: Division,
    /// What they do.
    pub traffic: Traffic,
    /// When, and how fast at the start.
    pub timing: Timing,
    /// When a delivery is late or lost.
    pub terms: DeliveryTerms,
    /// When the run has failed.
    pub thresholds: Thresholds,
    /// Whether planned disruptions are in none of them.
    pub tolerates_marked: bool,
    /// And the rules.
    pub rules: Rules,
    /// The way to the server.
    pub connection: ConnectionOptions,
    /// What is written where.
    pub report: Report,
    /// How log lines look.
    pub logging: Logging,
    /// Every option as it is in force, without secrets.
    pub options: Vec<ResolvedOption>,
    /// Whether they are to be printed, and nothing else is to be done.
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
        // Each shard has the part that its speakers have.
        let speakers = self.division.speakers_around(self.users.range);
        rate.part_of_users(speakers).map_or(Volume::Off, Volume::Total)
    }
}

/// The protocol of a command, with the errors that the registry and the protocol may give rise to:
/// only the configuration knows where each option was given.
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
    /// The error where the protocol asks for passwords, if the file of accounts has none.
    pub no_passwords: Option<StartError>,
    /// The run's id.
    pub run: String,
    /// The error where there is no protocol of this name, without a remedy.
    pub unknown: StartError,
    /// The error where the protocol takes no variables, if there are any.
    pub variables: Option<StartError>,
    /// The error where the protocol has no side rooms, if an option asks for them.
    pub side_rooms: Option<StartError>,
    /// The error where messages would be longer than the protocol takes, without its reason.
    pub too_long: StartError,
    /// The error where usernames would be longer than the protocol takes, without its reason.
    pub long_username: StartError,
}

impl ProtocolChoice {
    /// An error about the file that was named.
    #[must_use]
    pub fn wrong(&self, why: String) -> StartError {
        self.unknown.because(why)
    }
}

/// Where an option was given makes no other choice.
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
    /// Their names, where no file of accounts has them.
    pub template: UsernameTemplate,
    /// Their accounts, where those exist already.
    pub accounts: Option<Accounts>,
    /// Which part of a fleet this generator is.
    pub shard: Shard,
    /// Their password; `None`: made once per target and kept in the cache.
    pub password: Option<Secret>,
    /// Where their sessions are kept.
    pub cache: Cache,
    /// Sign-ups and log-ins at most, this shard's part.
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

    /// The account of a user of this generator's range; `password` is that of accounts without one of
    /// their own.
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
    /// Where they are.
    pub place: CacheLocation,
    /// Whether they are only read.
    pub read_only: bool,
}

/// Where saved sessions are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CacheLocation {
    /// Nowhere: the demo's target has forgotten everything by the next time.
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
    /// Leaving, and coming back after `away`.
    pub leave: Volume<Rate>,
    /// Joining a side room, for `side_room_stay`.
    pub side_room: Volume<Rate>,
    /// How long a user who left stays away.
    pub away: DurationRange,
    /// How long a user stays in a side room.
    pub side_room_stay: DurationRange,
    /// How users come back whose connection ended.
    pub reconnect: Reconnect,
    /// What chats look like.
    pub messages: Messages,
    /// How intents are spread.
    pub pacing: Pacing,
    /// Where chance begins; shards of one run mix their index into it.
    pub seed: u64,
}

/// What chats look like, behind their markers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Messages {
    /// How long they are; `None`: 3 to 30 words.
    pub size: Option<MessageSize>,
    /// Which characters they are made of.
    pub alphabet: Alphabet,
}

/// When, and how fast at the start.
#[derive(Debug, Clone, PartialEq)]
pub struct Timing {
    /// How long to hold, the ramp included; `None`: until stopped.
    pub duration: Option<Duration>,
    /// When to begin; `None`: at once.
    pub start_at: Option<SystemTime>,
    /// Users started, this shard's part.
    pub ramp: Rate,
    /// Maximum rate of opening sockets, this shard's part.
    pub connect_rate: Rate,
    /// How long a stop waits for what is outstanding.
    pub grace: Duration,
    /// How long a slice of the timeline is; only tests have shorter ones than a minute.
    pub slice: Duration,
}

/// What is written where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Where `/metrics` is; port 0 picks one.
    pub metrics_listen: SocketAddr,
    /// The run's name.
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
    /// Series of the server's own metrics, by different names.
    pub watch: Vec<WatchText>,
    /// Where traces go.
    pub otlp_endpoint: Option<OtlpEndpoint>,
    /// Whether the server is sent `traceparent` headers.
    pub traceparent: bool,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Logging {
    /// How they are written.
    pub format: LogFormat,
    /// Whether every step is logged.
    pub verbose: bool,
}
