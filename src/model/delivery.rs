//! Deliveries and member lists: what is expected, by which terms, what came of it, what is wrong with it.

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
    /// The server sends a message back to the connection it came from. Where it does not, that
    /// connection expects none, and an arrival there is `unexpected`.
    pub echo: bool,
    /// The server keeps the order of one sender's messages. Where it does not, order is not judged.
    pub ordered: bool,
    /// Messages name their senders. Where they do not, attribution is not checked.
    pub senders: bool,
}

impl DeliveryRules {
    /// Everything is promised, and so everything is judged.
    pub const ALL: Self = Self { echo: true, ordered: true, senders: true };
}

/// Whose message a delivery belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, IntoStaticStr, VariantArray, EnumCount)]
#[strum(serialize_all = "snake_case")]
pub enum Origin {
    /// Sent by this generator.
    Local,
    /// Sent by another one.
    Remote,
}

/// What became of an expected delivery; exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, IntoStaticStr, VariantArray, EnumCount)]
#[strum(serialize_all = "snake_case")]
pub enum Outcome {
    /// Came within the deadline.
    OnTime,
    /// Came after the deadline, by the horizon.
    Late,
    /// Did not come by the horizon.
    Lost,
    /// The receiving user left first.
    ExcusedLeft,
    /// The server ended the receiving connection first.
    ExcusedServer,
    /// The network ended it first.
    ExcusedNetwork,
    /// The sender's connection ended before any receipt.
    ExcusedSenderCut,
    /// The server did not take the message.
    ExcusedRefused,
}

/// What is wrong with an arrival, apart from the outcomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, IntoStaticStr, VariantArray, EnumCount)]
#[strum(serialize_all = "snake_case")]
pub enum Anomaly {
    /// Came again.
    Duplicate,
    /// Came after a later message of the same sender.
    Reordered,
    /// Came where it was not expected.
    Unexpected,
    /// Its marker does not fit.
    Corrupt,
}

/// From when a time to delivery counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, IntoStaticStr, VariantArray, EnumCount)]
#[strum(serialize_all = "snake_case")]
pub enum Basis {
    /// From the intended time of the schedule.
    Intended,
    /// From when the frame was handed to the sender's socket.
    Sent,
}

/// What a member list has wrong about one of this generator's users.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, IntoStaticStr, VariantArray, EnumCount)]
#[strum(serialize_all = "snake_case")]
pub enum PresenceMismatch {
    /// Listed, though it is gone.
    Ghost,
    /// Connected, and not listed.
    Missing,
}

/// What a frame about the members of a room says of those that it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberChange {
    /// These are all.
    All,
    /// These came.
    Came,
    /// These left.
    Left,
}

/// What came of a member list that was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, IntoStaticStr, VariantArray, EnumCount)]
#[strum(serialize_all = "snake_case")]
pub enum ListFate {
    /// It was compared with who is connected.
    Judged,
    /// It names only its receiver, and so says nothing about the others.
    Short,
    /// It could not be read.
    Unreadable,
}

/// Groups of losses that are told, the largest first: the worst ten fit a screen, and what many
/// receivers share shows in the first few.
pub const LOSS_GROUPS_TOLD: usize = 10;

labels!(Origin, Outcome, Anomaly, Basis, PresenceMismatch, ListFate);
