//! The vocabulary that all modules share: users, events, failures, limits.
//!
//! Pure data, without I/O or clock. Each enum that becomes a metric label derives its label text from its variant
//! name, so a label set is closed by construction; failures and frames can also have names of a driver
//! ([`Vocabulary`]).

/// Gives enums that are metric labels their text and the list of their members.
macro_rules! labels {
    ($($name:ident),+ $(,)?) => { $(
        impl $name {
            /// The label's text.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                self.into()
            }

            /// Every member, in order of declaration.
            pub const ALL: &'static [Self] = <Self as VariantArray>::VARIANTS;
        }
    )+ };
}

mod accounts;
mod choice;
mod connection;
mod counts;
mod delivery;
mod failure;
mod generator;
mod kind;
mod limit;
mod returns;
mod rule;
mod sender;
mod series;
mod shard;
mod sizes;
mod tolerance;
mod user;
mod vocabulary;
mod volume;

pub use accounts::{AccountRow, Accounts, PASSWORD, USERNAME};
pub use choice::{Alphabet, LogFormat, OtlpEndpoint, Pacing, Reconnect};
pub use connection::{EndReason, Initiator, SocketKind};
pub use counts::{DeliveryCounts, LONGEST_MICROS, PresenceFindings, delivery_times};
pub use delivery::{
    Anomaly, Basis, DeliveryRules, DeliveryTerms, LOSS_GROUPS_TOLD, ListFate, MemberChange, Origin, Outcome,
    PresenceMismatch,
};
pub use failure::{Failure, FailureClass, turns_direction};
pub use generator::{ClockEvent, ControlKind, RunPhase, SaturationReason, SaveOutcome, SpanFate, SpoiltBy};
pub use kind::{FailureKind, FrameKind, OwnName, SentKind};
pub use limit::{Limit, Thresholds};
pub use returns::{MOST_RETURN_MOMENTS, return_curve, return_moment};
pub use rule::{
    DRIFT_FIGURES, LONGEST_WINDOW, Rule, RuleError, RuleMetric, RuleOption, RuleUnit, Rules, Side, WINDOW_STEP,
};
pub use sender::SenderId;
pub use series::{InvalidSeries, Series};
pub use shard::Shard;
pub use sizes::{FrameSizes, ListSizes};
pub use tolerance::{GivenTolerance, InvalidTolerance, Measure, Tolerance, Tolerances};
pub use user::{Action, DropReason, HttpOutcome, HttpStep, Stage, UserState};
pub use vocabulary::Vocabulary;
pub use volume::Volume;

/// A user's index in this generator's part of the range: dense, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserIndex(pub u32);

impl UserIndex {
    /// The index as a subscript.
    #[must_use]
    pub fn get(self) -> usize {
        self.0 as usize
    }
}

/// The credentials of one simulated user.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// The username.
    pub username: String,
    /// The password; never printed, see the `Debug` implementation.
    pub password: Secret,
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Account({})", self.username)
    }
}

/// A text that must not reach a log, an error, a metric or a trace.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(std::sync::Arc<str>);

impl Secret {
    /// Wraps a secret text.
    #[must_use]
    pub fn new(text: impl Into<std::sync::Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The text itself; call it only to send it to the server or to write it to a file with mode 0600.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The tracing target of the spans that make up traces. No log line has it, and nothing else is exported.
pub const SPANS: &str = "soakrig_trace";

/// The tracing target of lines about single steps of users, which only `--verbose` shows.
pub const STEPS: &str = "soakrig::user::steps";
