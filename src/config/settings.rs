//! Every option of every command, unset or as typed.
//!
//! The texts here are the help texts. The plan decides what an option means, its default, and which
//! others it excludes.

use std::path::PathBuf;

use crate::model::{LogFormat, OtlpEndpoint, Rule, Shard};

use super::layered::{Layered, layered};
use super::value::{
    Amount, Count, Given, Listen, OrOff, Password, Percent, ProtocolName, Rate, RunId, ShardCount, Slug, SocketPlace,
    Span, StartAt, Switch, TargetUrl, UserNumber, UsernameTemplate, ValueError, Variable, Wait, WatchText,
};

pub use super::connection_settings::ConnectionSettings;
pub use super::target_settings::{ListenSettings, PresenceSettings};
pub use super::traffic_settings::{DryRunSettings, RoomSettings, TrafficSettings};

layered! {
    /// The server.
    pub struct UrlSettings {
        /// The server: http:// or https://; a path is put before every request
        #[arg(value_name = "URL")]
        pub url: TargetUrl,
    }
}

layered! {
    /// Which plenary on it.
    pub struct PlenarySettings {
        /// The room to join; a plenary as in its address /event/<PLENARY_SLUG>/
        ///
        /// If the file of --config has tables of plenaries, this picks one; without it, `run`
        /// holds all of them at once.
        #[arg(value_name = "PLENARY_SLUG")]
        pub plenary: Slug,
    }
}

layered! {
    /// Which protocol it speaks.
    pub struct ProtocolSettings {
        /// The protocol of the server: plenary, a protocol file that ships, or the path of one
        /// [default: plenary]
        ///
        /// `soakrig protocol list` names those that ship.
        #[arg(long, value_name = "NAME")]
        pub protocol: ProtocolName,
        /// Set a variable of the protocol file; repeat it for more
        ///
        /// In SOAKRIG_SET each line is a variable.
        #[arg(long, value_name = "NAME=VALUE")]
        pub set: Vec<Variable>,
    }
}

layered! {
    /// Who takes part.
    #[command(next_help_heading = "Users")]
    pub struct UserSettings {
        /// First user of the range [default: 0]
        #[arg(long, value_name = "N")]
        pub user_range_min: UserNumber,
        /// One past the last user of the range [default: 10; demo: 50]
        #[arg(long, value_name = "N")]
        pub user_range_max: UserNumber,
        /// Pattern of usernames; %s stands for the user's number [default: loadtest%s]
        #[arg(long, value_name = "TEMPLATE")]
        pub username_template: UsernameTemplate,
        /// CSV file of accounts that exist: row n, from 0, is user number n, and its columns are
        /// variables of the protocol file
        ///
        /// The first line names the columns; one is username, and one password if the protocol asks
        /// for it. No accounts are created, and cleanup never deletes these.
        #[arg(long, value_name = "FILE")]
        pub accounts: PathBuf,
        /// Password of every account [default: generated once per target]
        ///
        /// Other users of this machine can read it in the process list: prefer --password-file or
        /// the variable SOAKRIG_PASSWORD. Without any of these, one is generated once per target
                /// and kept in the cache file.
        #[arg(long, value_name = "PASSWORD", allow_hyphen_values = true)]
        pub password: Password,
        /// File whose first line is the password of every account
        #[arg(long, value_name = "FILE")]
        pub password_file: PathBuf,
        /// File of saved sessions [default: one file per target under ~/.local/state/soakrig]
        ///
        /// Under $XDG_STATE_HOME/soakrig if that is set. Mode 0600; generators on one machine may
        /// share it. The demo keeps none unless you name one.
        #[arg(long, value_name = "FILE")]
        pub cache_file: PathBuf,
        /// Use saved sessions without saving any
        #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
        pub read_only_cache: Switch,
        /// Maximum rate of sign-ups and log-ins [default: 20/s]
        #[arg(long, value_name = "RATE")]
        pub sign_in_rate: Rate,
    }
}

layered! {
    /// Which part of them.
    #[command(next_help_heading = "Users")]
    pub struct ShardSettings {
        /// Take part I (from 0) of N of the user range and of the rates [default: 0/1]
                ///
                /// For a fleet: give all generators the same flags and --run-id, and each its own
                /// shard. More than one shard needs a set password and a --run-id.
        #[arg(long, value_name = "I/N")]
        pub shard: Shard,
        /// The N of --shard; its I comes from the variable JOB_COMPLETION_INDEX
        #[arg(long, value_name = "N")]
        pub shards: ShardCount,
    }
}

layered! {
    /// When, and how fast at the start.
    #[command(next_help_heading = "Time (a DURATION is 90s, 8h or 1h30m)")]
    pub struct TimeSettings {
        /// How long to run from the start, the ramp included [default: until stopped; demo: 60s]
        #[arg(long, value_name = "DURATION")]
        pub duration: Span,
        /// Start at this time, so that a fleet starts together [default: at once]
        #[arg(long, value_name = "RFC3339")]
        pub start_at: StartAt,
        /// Rate at which users start [default: 20/s]
        #[arg(long, value_name = "RATE")]
        pub ramp: Rate,
        /// Maximum rate of opening sockets, reconnects included [default: 20/s]
        #[arg(long, value_name = "RATE")]
        pub connect_rate: Rate,
        /// Longest wait for outstanding deliveries after the stop [default: the horizon and 2s]
        #[arg(long, value_name = "DURATION")]
        pub grace: Wait,
    }
}

layered! {
    /// When a delivery is late or lost.
    #[command(next_help_heading = "Verdict")]
    pub struct DeliverySettings {
        /// Count a delivery as late if it arrives more than this after its intended time [default: 10s]
        #[arg(long, value_name = "DURATION")]
        pub delivery_deadline: Span,
        /// Count a delivery as lost if it has not arrived this long after its intended time [default: 60s]
        #[arg(long, value_name = "DURATION")]
        pub delivery_horizon: Span,
    }
}

layered! {
    /// When a run has failed.
    #[command(next_help_heading = "Verdict")]
    pub struct ThresholdSettings {
        /// Fail the run (exit code 99) if more deliveries than this are lost: a count or a share [default: 0]
        ///
        /// Each of these limits can be `off`.
        #[arg(long, value_name = "LIMIT")]
        pub max_lost: OrOff<Amount>,
        /// Fail the run if more than this share of the expected deliveries are late [default: 1%]
        #[arg(long, value_name = "PERCENT")]
        pub max_late: OrOff<Percent>,
        /// Fail the run if arrivals of one kind of anomaly (duplicate, reordered, unexpected,
                /// corrupt) exceed this share of the expected deliveries [default: 0.1%]
        #[arg(long, value_name = "PERCENT")]
        pub max_anomalies: OrOff<Percent>,
        /// Fail the run if the server or the network ends more than this share of the connections
                /// that joined [default: 5%]
        #[arg(long, value_name = "PERCENT")]
        pub max_cut: OrOff<Percent>,
        /// Fail the run if the 99th percentile of the time to delivery, from the intended time,
                /// exceeds this [default: off]
        #[arg(long, value_name = "DURATION")]
        pub max_p99: OrOff<Span>,
        /// Fail the run if the error rate of any stage exceeds this [default: 1%]
        #[arg(long, value_name = "PERCENT")]
        pub max_error_rate: OrOff<Percent>,
        /// Call the run invalid (exit code 106) if the generator itself spoils more than this share
                /// of the hold [default: 1%]
        #[arg(long, value_name = "PERCENT")]
        pub max_saturated: OrOff<Percent>,
        /// Leave planned disruptions (soakrig ctl mark begin, mark end) out of every threshold
                ///
                /// That covers deliveries intended during one, and errors and cut connections of that time.
                /// The summary still shows them.
        #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
        pub tolerate_marked: Switch,
        /// Fail the run (exit code 99) if this holds, such as 'p99 > 500ms over 5m'; repeat it for more
                ///
                /// A metric, > or <, and a limit; `over 5m` judges each window of that length within the hold,
                /// sliding by 5s. Metrics: p50, p99, lost, late, anomalies, cut, outstanding, users_held,
                /// error_rate(STAGE), rate(KIND), drift(FIGURE). In SOAKRIG_FAIL_IF each line is a rule.
        #[arg(long, value_name = "EXPR")]
        pub fail_if: Vec<Rule>,
        /// The same, and end the run as soon as it holds
        #[arg(long, value_name = "EXPR")]
        pub abort_if: Vec<Rule>,
    }
}

layered! {
    /// What is written where.
    #[command(next_help_heading = "Output")]
    pub struct ReportSettings {
        /// Address of the live page, /metrics, /live and /ready; port 0 picks a free one [default: 127.0.0.1:9464]
        #[arg(long, value_name = "IP:PORT")]
        pub metrics_listen: Listen,
        /// Name that ties the generators of a fleet into one run; more than one shard needs it [default: generated]
        #[arg(long, value_name = "ID")]
        pub run_id: RunId,
        /// Write the summary as JSON, updated every minute
        #[arg(long, value_name = "FILE")]
        pub summary: PathBuf,
        /// Write the report as one HTML page at the end
        #[arg(long, value_name = "FILE")]
        pub report: PathBuf,
        /// Write the table of thresholds as JUnit XML at the end
        #[arg(long, value_name = "FILE")]
        pub junit: PathBuf,
        /// Write lost, corrupt, duplicate, reordered and unexpected deliveries as JSON lines
        #[arg(long, value_name = "FILE")]
        pub anomaly_log: PathBuf,
        /// Take commands from soakrig ctl at this Unix socket [default: off]
                ///
                /// A path; or auto: RUN-SHARD.sock in $XDG_RUNTIME_DIR/soakrig, where ctl looks by itself.
                /// Mode 0600: only this user and root can connect.
        #[arg(long, value_name = "FILE")]
        pub control_socket: SocketPlace,
        /// Record this series of the server's own Prometheus metrics; repeat it for up to 20
                ///
                /// Such as memory=http://HOST:9100/metrics#process_resident_memory_bytes{job="chat"}. Read
                /// every 15 s; if several series match, their sum counts. For a counter, #rate(SERIES) records its
                /// growth per second. A user and a password in the URL are sent; only the process list shows them.
        #[arg(long, value_name = "NAME=URL#SERIES")]
        pub watch: Vec<WatchText>,
        /// Send traces to this OTLP endpoint, such as http://host:4318 or grpc://host:4317
        #[arg(long, value_name = "URL")]
        pub otlp_endpoint: OtlpEndpoint,
        /// Send no traceparent header to the server
        #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
        pub no_traceparent: Switch,
    }
}

layered! {
    /// How log lines look.
    #[command(next_help_heading = "Output")]
    pub struct LogSettings {
        /// Format of log lines [default: human]
        #[arg(long, value_name = "FORMAT")]
        pub log_format: LogFormat,
        /// Log every step of every user
        #[arg(long, short, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
        pub verbose: Switch,
    }
}

layered! {
    /// What makes a run repeatable.
    #[command(next_help_heading = "Randomness")]
    pub struct SeedSettings {
        /// Seed of random choices; the same seed makes the same choices [default: generated, and shown; a shard's from
                /// --run-id]
        #[arg(long, value_name = "N")]
        pub seed: Count,
    }
}

/// Gathers the groups into one struct of every option.
macro_rules! groups {
    ($($(#[$meta:meta])* $field:ident: $ty:ty,)+) => {
        /// Every option of every command.
        #[derive(Debug, Clone, Default, PartialEq)]
        pub struct Settings { $($(#[$meta])* pub $field: $ty,)+ }

        impl Settings {
            /// Every key, in the order of the help.
            pub fn keys() -> impl Iterator<Item = &'static str> {
                let groups: &'static [&'static [&'static str]] = &[$(<$ty as Layered>::KEYS),+];
                groups.iter().flat_map(|keys| keys.iter().copied())
            }

            /// All options with their help texts.
            #[must_use]
            pub fn described() -> clap::Command {
                let command = clap::Command::new("");
                $(let command = <$ty as clap::Args>::augment_args(command);)+
                command
            }

            /// Whether the key has a value.
            #[must_use]
            pub fn is_set(&self, key: &str) -> bool {
                $(self.$field.is_set(key))||+
            }

            /// Sets a key from what a layer holds; `None` for an unknown key.
            pub fn set(&mut self, key: &str, given: &Given) -> Option<Result<(), ValueError>> {
                $(if let Some(done) = self.$field.set(key, given) {
                    return Some(done);
                })+
                None
            }
        }
    };
}

groups! {
    /// The server.
    url: UrlSettings,
    /// Which plenary on it.
    plenary: PlenarySettings,
    /// Which protocol the server speaks.
    protocol: ProtocolSettings,
    /// Who takes part.
    users: UserSettings,
    /// Which part of them.
    shards: ShardSettings,
    /// Which rooms they are in.
    rooms: RoomSettings,
    /// What they do.
    traffic: TrafficSettings,
    /// When, and how fast at the start.
    time: TimeSettings,
    /// When a delivery is late or lost.
    delivery: DeliverySettings,
    /// When a run has failed.
    thresholds: ThresholdSettings,
    /// How to reach the server.
    connection: ConnectionSettings,
    /// What is written where.
    report: ReportSettings,
    /// How log lines look.
    log: LogSettings,
    /// Whether anything is done at all.
    dry_run: DryRunSettings,
    /// What makes a run repeatable.
    seed: SeedSettings,
    /// How the embedded target behaves.
    presence: PresenceSettings,
    /// Where the embedded target is.
    listen: ListenSettings,
}
