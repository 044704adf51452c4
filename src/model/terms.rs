//! What deliveries are judged by.

use std::time::Duration;

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
