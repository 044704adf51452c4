//! The generator itself: its run, its clock, its files, its traces.

use strum::{EnumCount, IntoStaticStr, VariantArray};

/// The phase of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, IntoStaticStr, VariantArray, EnumCount)]
#[strum(serialize_all = "snake_case")]
pub enum RunPhase {
    /// Users are being started.
    Ramp,
    /// The load is held.
    Hold,
    /// Sending has stopped, deliveries settle.
    Settle,
}

/// A command of `soakrig ctl`, by kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, IntoStaticStr, VariantArray, EnumCount)]
#[strum(serialize_all = "snake_case")]
pub enum ControlKind {
    /// Show the status.
    Status,
    /// Change rates.
    Rate,
    /// Pause intents.
    Pause,
    /// Resume intents.
    Resume,
    /// Change the number of users.
    Users,
    /// Reset connections.
    Disconnect,
    /// Note a remark.
    Mark,
    /// Begin a planned disruption.
    MarkBegin,
    /// End a planned disruption.
    MarkEnd,
    /// Stop gracefully.
    Stop,
    /// End at once.
    Abort,
    /// A line that is not a command, or a command that cannot be carried out.
    Refused,
}

/// A clock event, as this process notices it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, IntoStaticStr, VariantArray, EnumCount)]
#[strum(serialize_all = "snake_case")]
pub enum ClockEvent {
    /// The wall clock was set.
    WallJump,
    /// The machine slept.
    Suspend,
    /// This process stood still while time went on.
    Stall,
}

/// Why the generator is saturated, so that its figures describe itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, IntoStaticStr, VariantArray, EnumCount)]
#[strum(serialize_all = "snake_case")]
pub enum SaturationReason {
    /// Intents were issued late.
    ScheduleLag,
    /// Readable sockets waited to be read.
    ReadDelay,
}

/// Why this generator or its machine spoilt time, so that figures of that time do not count against the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, IntoStaticStr, VariantArray, EnumCount)]
#[strum(serialize_all = "snake_case")]
pub enum SpoiltBy {
    /// The whole process stood still.
    Stall,
    /// Readable sockets waited to be read.
    ReadDelay,
    /// Intents were issued late.
    ScheduleLag,
    /// Users waited because this machine had no file descriptor left.
    NoFiles,
    /// Users waited because this machine had no local port left.
    NoPorts,
}

/// The outcome of writing changed sessions to the cache file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, IntoStaticStr, VariantArray, EnumCount)]
#[strum(serialize_all = "snake_case")]
pub enum SaveOutcome {
    /// They are on disk.
    Saved,
    /// They are not; the next save retries.
    Failed,
}

/// The fate of a finished span; each has exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, IntoStaticStr, VariantArray, EnumCount)]
#[strum(serialize_all = "snake_case")]
pub enum SpanFate {
    /// The endpoint took it.
    Exported,
    /// The queue was full.
    QueueFull,
    /// The endpoint could not be reached, or refused it.
    ExportFailed,
    /// The process ended first.
    Stopped,
}

labels!(RunPhase, ClockEvent, SaturationReason, SpoiltBy, SaveOutcome, SpanFate, ControlKind);
