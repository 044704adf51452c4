//! What a run is held to.

use strum::{EnumCount, IntoStaticStr, VariantArray};

labels! {
    /// What a run is held to; each can be off.
    Limit { /// Lost deliveries.
        Lost, /// Late ones.
        Late, /// Anomalies of one kind.
        Anomalies, /// Connections that the server or the network ended.
        Cut, /// Time to delivery at the 99th percentile.
        P99, /// Errors of any stage.
        ErrorRate, /// Deliveries without a verdict at the end.
        Outstanding, /// Time that the generator spoilt itself.
        Saturated }
}
