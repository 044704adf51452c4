//! `soakrig ctl`: the commands as clap describes them. What they mean is read from the line that they make.

use std::path::PathBuf;

use clap::{Args, Subcommand};

const ABOUT: &str = "\
Which generator: --socket, else the variable SOAKRIG_CONTROL_SOCKET, else the one that listens in
$XDG_RUNTIME_DIR/soakrig (started with --control-socket auto); with --run all of that run there.

Numbers are for the whole run, and each generator takes its share by its --shard: send the same
command to all of them. A command takes effect at once, is logged, counted in
soakrig_control_commands_total, and noted in the summary.

Examples:
  soakrig ctl status
  soakrig ctl rate chat=50/s leave=off
  soakrig ctl users 500
  soakrig ctl mark begin rolling deploy of 1.4
  soakrig ctl mark end
  soakrig ctl disconnect 100%
  docker compose exec generator /soakrig ctl pause
  kubectl exec job/soakrig -- /soakrig ctl --json status

Exit codes: 0 done, 2 refused, 104 no answer.";

/// `soakrig ctl`.
#[derive(Debug, Clone, Args)]
#[command(after_help = ABOUT, disable_help_subcommand = true, subcommand_required = true)]
pub struct CtlArgs {
    /// The socket of a generator, as its --control-socket says; repeat it for more
    #[arg(long, value_name = "FILE", global = true)]
    pub socket: Vec<PathBuf>,
    /// All generators of this run that listen in $XDG_RUNTIME_DIR/soakrig
    #[arg(long, value_name = "ID", global = true, conflicts_with = "socket")]
    pub run: Option<String>,
    /// Print the answers as JSON, one line each
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: CtlCommand,
}

/// A command for a running generator.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum CtlCommand {
    /// How the run goes: phase, users, rates, deliveries
    Status,
    /// Set rates: chat=50/s, leave=300/m, breakout=off
    Rate {
        /// chat, leave or breakout with a rate for the whole run, or off
        #[arg(value_name = "KIND=RATE", required = true)]
        rates: Vec<String>,
    },
    /// Send nothing and let no user leave; connections stay
    Pause,
    /// Go on at the rates that are set
    Resume,
    /// Hold N users in the whole run, at most as many as the range has
    ///
    /// More are started at --ramp; those who are too many leave at --ramp, highest number first.
    Users {
        /// How many, from 1
        #[arg(value_name = "N")]
        users: String,
    },
    /// Reset this share of the connections; users come back as --reconnect says
    ///
    /// 100% is a reconnect storm. The summary says how long the server took to take everyone back.
    Disconnect {
        /// A share of the connected users
        #[arg(value_name = "PERCENT")]
        share: String,
    },
    /// Note a remark, or the start and end of a planned disruption: mark begin TEXT, mark end
    ///
    /// Between begin and end figures are measured and shown, and with --tolerate-marked they are in no
    /// threshold.
    Mark {
        /// TEXT, or begin TEXT, or end; at most 200 characters
        #[arg(value_name = "TEXT", required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        text: Vec<String>,
    },
    /// Stop in good order, as SIGTERM does: deliveries settle, then the summary is written
    Stop,
    /// End at once, as a second signal does: exit code 105
    Abort,
}

impl CtlCommand {
    /// The line that it makes.
    #[must_use]
    pub fn line(&self) -> String {
        match self {
            Self::Status => "status".to_owned(),
            Self::Rate { rates } => format!("rate {}", rates.join(" ")),
            Self::Pause => "pause".to_owned(),
            Self::Resume => "resume".to_owned(),
            Self::Users { users } => format!("users {users}"),
            Self::Disconnect { share } => format!("disconnect {share}"),
            Self::Mark { text } => format!("mark {}", text.join(" ")),
            Self::Stop => "stop".to_owned(),
            Self::Abort => "abort".to_owned(),
        }
    }
}
