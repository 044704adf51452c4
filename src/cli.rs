//! The command line: the commands and the options of each.
//!
//! It holds what was typed. Defaults and meaning are the business of [`crate::config`].

mod compare;
mod control;
mod manual;
mod summaries;
mod task;
mod typed;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue};
use clap::{Args, FromArgMatches as _, Parser, Subcommand};

use crate::config::entry::OptionTexts;
use crate::config::settings::{
    ConnectionSettings, DeliverySettings, DryRunSettings, ListenSettings, LogSettings, PlenarySettings,
    PresenceSettings, ProtocolSettings, ReportSettings, RoomSettings, SeedSettings, Settings, ShardSettings,
    ThresholdSettings, TimeSettings, TrafficSettings, UrlSettings, UserSettings,
};
use crate::config::value::{Span, TargetUrl, shown};
use crate::server::Faults;

pub use compare::CompareArgs;
pub use control::{CtlArgs, CtlCommand};
pub use manual::{Document, Page, ProtocolPage};
pub use summaries::{MergeArgs, ReportArgs};
pub use task::Resolved;

const EXIT_CODES: &str = "\
Exit codes:
  0    the run did what it should
  2    wrong flags
  99   a threshold failed
  104  wrong file or environment
  105  stopped by a second signal
  106  invalid: the generator itself could not keep up
  107  the target refused at the start";

const LAYERS: &str = "\
Every option can also be set by a variable (SOAKRIG_CHAT_RATE for --chat-rate) and in the
TOML file of --config (chat-rate = \"5/s\"). Flags win over variables, variables over the file.";

/// A soak-testing rig for real-time chat servers: steady load from a range of users, every
/// delivery accounted for.
#[derive(Debug, Clone, Parser)]
#[command(name = "soakrig", version, after_help = EXIT_CODES, disable_help_subcommand = true, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    wanted: Wanted,
}

/// What a command line asks for.
#[derive(Debug, Clone, Subcommand)]
#[allow(clippy::large_enum_variant)]
pub enum Wanted {
    /// Something to do.
    #[command(flatten)]
    Command(Command),
    /// Something to print.
    #[command(flatten)]
    Document(Document),
}

impl Wanted {
    /// The command, unless the line asks for a document.
    #[must_use]
    pub fn command(self) -> Option<Command> {
        match self {
            Self::Command(command) => Some(command),
            Self::Document(_) => None,
        }
    }
}

/// The whole command line as clap describes it.
#[must_use]
pub fn definition() -> clap::Command {
    <Cli as clap::CommandFactory>::command()
}

/// The commands.
#[derive(Debug, Clone, Subcommand)]
#[allow(clippy::large_enum_variant)]
pub enum Command {
    /// Hold the load until stopped, or for --duration
    #[command(override_usage = "soakrig run [OPTIONS] <URL> <PLENARY_SLUG>", after_help = LAYERS)]
    Run(RunArgs),
    /// Start the embedded target and run against it, all in one process
    #[command(after_help = LAYERS)]
    Demo(DemoArgs),
    /// Serve the embedded plenary server alone, with fault injection
    Target(TargetArgs),
    /// Take two users through every step of the protocol; print a transcript and findings
    #[command(override_usage = "soakrig check [OPTIONS] <URL> <PLENARY_SLUG>", after_help = LAYERS)]
    Check(CheckArgs),
    /// Delete the accounts of a username range
    #[command(override_usage = "soakrig cleanup [OPTIONS] <URL>", after_help = LAYERS)]
    Cleanup(CleanupArgs),
    /// Merge the summaries of several generators into one
    Merge(MergeArgs),
    /// Steer a running generator: rates, users, pauses, reconnects, marks, stop
    Ctl(CtlArgs),
    /// Write a self-contained HTML report of a run from its summaries
    Report(ReportArgs),
    /// Show what got worse from one run to another, with confidence intervals
    Compare(CompareArgs),
    /// Exit 0 if a generator's /live answers: a health check for containers
    Health(HealthArgs),
}

/// Which file to read options from.
#[derive(Debug, Clone, Default, Args)]
pub struct ConfigArgs {
    /// Read options from this TOML file, by the same names [env: SOAKRIG_CONFIG]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// What was typed, by key.
    #[arg(skip)]
    pub typed: OptionTexts,
}

/// Whether a protocol file may run programs. Only the command line can allow it; files and variables
/// cannot.
#[derive(Debug, Clone, Default, Args)]
pub struct ExecArgs {
    /// Let the protocol file run programs to sign users in; on the command line only
    #[arg(long)]
    pub allow_exec: bool,
}

/// What `run` and `demo` share.
#[derive(Debug, Clone, Default, Args)]
pub struct LoadArgs {
    /// The configuration file.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Who takes part.
    #[command(flatten)]
    pub users: UserSettings,
    /// Which part of them.
    #[command(flatten)]
    pub shards: ShardSettings,
    /// Which rooms they are in.
    #[command(flatten)]
    pub rooms: RoomSettings,
    /// What they do.
    #[command(flatten)]
    pub traffic: TrafficSettings,
    /// Whether to do anything at all.
    #[command(flatten)]
    pub dry_run: DryRunSettings,
    /// The seed of random choices.
    #[command(flatten)]
    pub seed: SeedSettings,
    /// When it starts and how long it lasts.
    #[command(flatten)]
    pub time: TimeSettings,
    /// When a delivery is late or lost.
    #[command(flatten)]
    pub delivery: DeliverySettings,
    /// When the run has failed.
    #[command(flatten)]
    pub thresholds: ThresholdSettings,
    /// How to reach the server.
    #[command(flatten)]
    pub connection: ConnectionSettings,
    /// What is written where.
    #[command(flatten)]
    pub report: ReportSettings,
    /// Log lines.
    #[command(flatten)]
    pub log: LogSettings,
}

impl LoadArgs {
    fn settings(self) -> (Settings, Option<PathBuf>) {
        let settings = Settings {
            users: self.users,
            shards: self.shards,
            rooms: self.rooms,
            traffic: self.traffic,
            dry_run: self.dry_run,
            seed: self.seed,
            time: self.time,
            delivery: self.delivery,
            thresholds: self.thresholds,
            connection: self.connection,
            report: self.report,
            log: self.log,
            ..Settings::default()
        };
        (settings, self.config.config)
    }
}

/// `soakrig run`.
#[derive(Debug, Clone, Default, Args)]
pub struct RunArgs {
    /// Which server.
    #[command(flatten)]
    pub url: UrlSettings,
    /// Which plenary.
    #[command(flatten)]
    pub plenary: PlenarySettings,
    /// Which protocol.
    #[command(flatten)]
    pub protocol: ProtocolSettings,
    /// Whether the protocol file may run programs.
    #[command(flatten)]
    pub exec: ExecArgs,
    /// The load.
    #[command(flatten)]
    pub load: LoadArgs,
}

/// `soakrig demo`.
#[derive(Debug, Clone, Default, Args)]
pub struct DemoArgs {
    /// The load.
    #[command(flatten)]
    pub load: LoadArgs,
    /// Member lists of the embedded target.
    #[command(flatten)]
    pub presence: PresenceSettings,
}

/// `soakrig target`.
#[derive(Debug, Clone, Default, Args)]
pub struct TargetArgs {
    /// The configuration file.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Where it listens.
    #[command(flatten)]
    pub listen: ListenSettings,
    /// Which rooms it has.
    #[command(flatten)]
    pub rooms: RoomSettings,
    /// Member lists.
    #[command(flatten)]
    pub presence: PresenceSettings,
    /// The seed of random choices.
    #[command(flatten)]
    pub seed: SeedSettings,
    /// What goes wrong on purpose.
    #[command(flatten)]
    pub faults: Faults,
    /// Log lines.
    #[command(flatten)]
    pub log: LogSettings,
}

/// `soakrig check`.
#[derive(Debug, Clone, Default, Args)]
pub struct CheckArgs {
    /// Which server.
    #[command(flatten)]
    pub url: UrlSettings,
    /// Which plenary.
    #[command(flatten)]
    pub plenary: PlenarySettings,
    /// Which protocol.
    #[command(flatten)]
    pub protocol: ProtocolSettings,
    /// Whether the protocol file may run programs.
    #[command(flatten)]
    pub exec: ExecArgs,
    /// The configuration file.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Watch silent connections too, which takes 90 s
    #[arg(long)]
    pub patient: bool,
    /// The range whose first two users take part.
    #[command(flatten)]
    pub users: UserSettings,
    /// How to reach the server.
    #[command(flatten)]
    pub connection: ConnectionSettings,
    /// Log lines.
    #[command(flatten)]
    pub log: LogSettings,
}

/// `soakrig cleanup`.
#[derive(Debug, Clone, Default, Args)]
pub struct CleanupArgs {
    /// Which server.
    #[command(flatten)]
    pub url: UrlSettings,
    /// Which protocol.
    #[command(flatten)]
    pub protocol: ProtocolSettings,
    /// Whether the protocol file may run programs.
    #[command(flatten)]
    pub exec: ExecArgs,
    /// The configuration file.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Whose accounts to delete.
    #[command(flatten)]
    pub users: UserSettings,
    /// How to reach the server.
    #[command(flatten)]
    pub connection: ConnectionSettings,
    /// Log lines.
    #[command(flatten)]
    pub log: LogSettings,
}

/// `soakrig health`.
#[derive(Debug, Clone, Args)]
pub struct HealthArgs {
    /// Address at which a generator serves its metrics
    #[arg(value_name = "URL", default_value = "http://127.0.0.1:9464")]
    pub url: TargetUrl,
    /// Longest wait for the answer
    #[arg(long, value_name = "DURATION", default_value = "3s")]
    pub timeout: Span,
}

impl Command {
    /// The options as typed, for a command that reads other layers too, and the file to read.
    #[must_use]
    pub fn settings(self) -> (Settings, Option<PathBuf>) {
        let none = Settings::default();
        match self {
            Self::Run(args) => {
                let (load, file) = args.load.settings();
                (Settings { url: args.url, plenary: args.plenary, protocol: args.protocol, ..load }, file)
            }
            Self::Demo(args) => {
                let (load, file) = args.load.settings();
                (Settings { presence: args.presence, ..load }, file)
            }
            Self::Target(args) => {
                let TargetArgs { config, listen, rooms, presence, seed, faults: _, log } = args;
                (Settings { listen, rooms, presence, seed, log, ..none }, config.config)
            }
            Self::Check(args) => {
                let CheckArgs { url, plenary, protocol, exec: _, config, users, patient: _, connection, log } = args;
                (Settings { url, plenary, protocol, users, connection, log, ..none }, config.config)
            }
            Self::Cleanup(args) => {
                let CleanupArgs { url, protocol, exec: _, config, users, connection, log } = args;
                (Settings { url, protocol, users, connection, log, ..none }, config.config)
            }
            Self::Merge(_) | Self::Report(_) | Self::Compare(_) | Self::Ctl(_) | Self::Health(_) => (none, None),
        }
    }
}

/// Reads a command line, the program's name first.
///
/// # Errors
/// clap's error, to print and to exit with: wrong flags, or help that was asked for. Values that
/// may hold credentials are cut out of it.
pub fn parse<I>(args: I) -> Result<Wanted, clap::Error>
where
    I: IntoIterator<Item: Into<OsString> + Clone>,
{
    let read = || {
        let matches = definition().try_get_matches_from(args)?;
        let mut wanted = Cli::from_arg_matches(&matches)?.wanted;
        if let Wanted::Command(Command::Run(RunArgs { load, .. }) | Command::Demo(DemoArgs { load, .. })) = &mut wanted
        {
            load.config.typed = typed::typed(&matches);
        }
        Ok(wanted)
    };
    read().map_err(without_credentials)
}

/// Cuts credentials out of the values that clap repeats: a URL may hold a password.
fn without_credentials(mut error: clap::Error) -> clap::Error {
    let texts: Vec<(ContextKind, String)> = error
        .context()
        .filter_map(|(kind, value)| match (kind, value) {
            (ContextKind::InvalidValue | ContextKind::InvalidArg, ContextValue::String(text)) => {
                Some((kind, text.clone()))
            }
            _ => None,
        })
        .collect();
    for (kind, text) in texts {
        error.insert(kind, ContextValue::String(shown(&text)));
    }
    error
}
