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

/// What `soakrig ctl` asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, IntoStaticStr, VariantArray, EnumCount)]
#[strum(serialize_all = "snake_case")]
pub enum ControlKind {
    /// How the run goes.
    Status,
    /// Other rates.
    Rate,
    /// No intents until further notice.
    Pause,
    /// Intents again.
    Resume,
    /// Another number of users.
    Users,
    /// Connections to be reset.
    Disconnect,
    /// A remark.
    Mark,
    /// A planned disruption begins.
    MarkBegin,
    /// It is over.
    MarkEnd,
    /// An orderly stop.
    Stop,
    /// The end at once.
    Abort,
    /// A line that is no command, or one that cannot be carried out.
    Refused,
}

/// What happened to time itself, as this process sees it.
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

/// Why the generator says that its numbers are about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, IntoStaticStr, VariantArray, EnumCount)]
#[strum(serialize_all = "snake_case")]
pub enum SaturationReason {
    /// Intents were issued late.
    ScheduleLag,
    /// Readable sockets waited to be read.
    ReadDelay,
}

/// Why time was spoilt by this generator or its machine, so that no figure of it is held against
/// the server.
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

/// What became of an attempt to write changed sessions to the cache file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, IntoStaticStr, VariantArray, EnumCount)]
#[strum(serialize_all = "snake_case")]
pub enum SaveOutcome {
    /// They are on the disk.
    Saved,
    /// They are not; it is tried again.
    Failed,
}

/// What became of a finished span of a trace; exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, IntoStaticStr, VariantArray, EnumCount)]
#[strum(serialize_all = "snake_case")]
pub enum SpanFate {
    /// The endpoint took it.
    Exported,
    /// More spans came than the queue holds.
    QueueFull,
    /// The endpoint could not be reached, or refused it.
    ExportFailed,
    /// The process ended first.
    Stopped,
}

labels!(RunPhase, ClockEvent, SaturationReason, SpoiltBy, SaveOutcome, SpanFate, ControlKind);
