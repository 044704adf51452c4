//! `soakrig ctl`: the commands as clap describes them. The generator reads the line that each makes.

use std::path::PathBuf;

use clap::{Args, Subcommand};

const ABOUT: &str = "\
Which generator: the one at --socket, else at the variable SOAKRIG_CONTROL_SOCKET, else the only
one that listens in $XDG_RUNTIME_DIR/soakrig (started with --control-socket auto). With --run: all
generators of that run there.

Numbers are for the whole run, and each generator takes its share by its --shard: send the same
command to all of them. A command takes effect at once. It is logged, counted in
soakrig_control_commands_total and noted in the summary.

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
    /// The --control-socket of a generator; repeat it for more
    #[arg(long, value_name = "FILE", global = true)]
    pub socket: Vec<PathBuf>,
    /// Address all generators of this run that listen in $XDG_RUNTIME_DIR/soakrig
    #[arg(long, value_name = "ID", global = true, conflicts_with = "socket")]
    pub run: Option<String>,
    /// Print each answer as one line of JSON
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: CtlCommand,
}

/// A command for a running generator.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum CtlCommand {
    /// Show how the run is going: phase, users, rates, deliveries
    Status,
    /// Set rates: chat=50/s, leave=300/m, breakout=off
    Rate {
        /// chat, leave or breakout with a rate for the whole run, or off
        #[arg(value_name = "KIND=RATE", required = true)]
        rates: Vec<String>,
    },
    /// Send nothing and let no user leave; connections stay
    Pause,
    /// Resume at the rates that are set
    Resume,
    /// Hold N users in the whole run, at most as many as the range has
    ///
    /// More users start, or the surplus leaves (highest number first), at --ramp.
    Users {
        /// How many, from 1
        #[arg(value_name = "N")]
        users: String,
    },
    /// Reset this share of the connections; users reconnect as --reconnect says
    ///
    /// 100% is a reconnect storm. The summary says how long it took until everyone was back.
    Disconnect {
        /// A share of the connected users
        #[arg(value_name = "PERCENT")]
        share: String,
    },
    /// Note a remark, or the start and end of a planned disruption: mark begin TEXT, mark end
    ///
    /// Figures between begin and end are measured and shown; with --tolerate-marked no threshold
    /// counts them.
    Mark {
        /// TEXT, or begin TEXT, or end; at most 200 characters
        #[arg(value_name = "TEXT", required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        text: Vec<String>,
    },
    /// Stop gracefully, as SIGTERM does: deliveries settle, then the summary is written
    Stop,
    /// End at once, as a second signal does: exit code 105
    Abort,
}

impl CtlCommand {
    /// The command as the line sent to the socket.
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
