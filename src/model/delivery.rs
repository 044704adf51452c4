//! Deliveries and member lists: terms, rules, outcomes and anomalies.

use std::time::Duration;

use strum::{EnumCount, IntoStaticStr, VariantArray};

/// The limits that decide between on time, late and lost. Both run from the intended time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliveryTerms {
    /// Up to this age a first arrival is on time.
    pub deadline: Duration,
    /// Up to this age a first arrival is late; after it the delivery is lost. Never shorter than the
    /// deadline.
    pub horizon: Duration,
}

/// What a protocol promises about messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliveryRules {
    /// The server sends a message back to the connection it came from. If not, that connection does not expect it,
    /// and an arrival there is `unexpected`.
    pub echo: bool,
    /// The server keeps the order of one sender's messages. If not, order is not judged.
    pub ordered: bool,
    /// Messages name their senders. If not, attribution is not checked.
    pub senders: bool,
}

impl DeliveryRules {
    /// All promises, so that everything is judged.
    pub const ALL: Self = Self { echo: true, ordered: true, senders: true };
}

/// Which generator sent the message of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, IntoStaticStr, VariantArray, EnumCount)]
#[strum(serialize_all = "snake_case")]
pub enum Origin {
    /// Sent by this generator.
    Local,
    /// Sent by another generator.
    Remote,
}

/// The outcome of an expected delivery; each has only one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, IntoStaticStr, VariantArray, EnumCount)]
#[strum(serialize_all = "snake_case")]
pub enum Outcome {
    /// Arrived within the deadline.
    OnTime,
    /// Arrived after the deadline, within the horizon.
    Late,
    /// Did not arrive within the horizon.
    Lost,
    /// The receiving user left first.
    ExcusedLeft,
    /// The server ended the receiving connection first.
    ExcusedServer,
    /// The network ended it first.
    ExcusedNetwork,
    /// The sender's connection ended before any receipt.
    ExcusedSenderCut,
    /// The server refused the message.
    ExcusedRefused,
}

/// An anomaly of an arrival, counted besides the outcomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, IntoStaticStr, VariantArray, EnumCount)]
#[strum(serialize_all = "snake_case")]
pub enum Anomaly {
    /// Arrived more than once.
    Duplicate,
    /// Arrived after a later message of the same sender.
    Reordered,
    /// Arrived although it was not expected.
    Unexpected,
    /// Its marker does not match.
    Corrupt,
}

/// The start of a time to delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, IntoStaticStr, VariantArray, EnumCount)]
#[strum(serialize_all = "snake_case")]
pub enum Basis {
    /// From the intended time of the schedule.
    Intended,
    /// From the moment when the frame was handed to the sender's socket.
    Sent,
}

/// How a member list is wrong about one of this generator's users.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, IntoStaticStr, VariantArray, EnumCount)]
#[strum(serialize_all = "snake_case")]
pub enum PresenceMismatch {
    /// Listed, though the user is gone.
    Ghost,
    /// Connected, but not listed.
    Missing,
}

/// The meaning of the members that a frame names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberChange {
    /// These are all members.
    All,
    /// These joined.
    Came,
    /// These left.
    Left,
}

/// The fate of a member list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, IntoStaticStr, VariantArray, EnumCount)]
#[strum(serialize_all = "snake_case")]
pub enum ListFate {
    /// It was compared with the connected users.
    Judged,
    /// It names only its receiver, and so says nothing about the others.
    Short,
    /// It could not be read.
    Unreadable,
}

/// Number of reported groups of losses, largest first: ten fit on a screen, and the first few show what receivers
/// share.
pub const LOSS_GROUPS_TOLD: usize = 10;

labels!(Origin, Outcome, Anomaly, Basis, PresenceMismatch, ListFate);
