//! The limits of a run.

use serde::{Deserialize, Serialize};
use strum::{EnumCount, IntoStaticStr, VariantArray};

/// A limit of a run, which can be off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, IntoStaticStr, VariantArray, EnumCount)]
#[strum(serialize_all = "snake_case")]
pub enum Limit {
    /// Lost deliveries, as a count.
    Lost,
    /// Lost deliveries, as a fraction of those expected.
    LostShare,
    /// Late deliveries.
    Late,
    /// Anomalies of one kind.
    Anomalies,
    /// Connections that the server or the network ended.
    Cut,
    /// Time to delivery at the 99th percentile.
    P99,
    /// Errors of any stage.
    ErrorRate,
    /// Deliveries without a verdict at the end.
    Outstanding,
    /// Time that the generator spoilt itself.
    Saturated,
}

labels!(Limit);

/// The limits of a run, as the summary keeps them; `None` is off.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, Default)]
pub struct Thresholds {
    /// Most lost deliveries, of any origin; `None` if a share was set.
    pub max_lost: Option<u64>,
    /// Most lost deliveries, as a fraction of those expected; `None` if a count was set.
    #[serde(default)]
    pub max_lost_share: Option<f64>,
    /// Highest error rate of any stage, as a fraction.
    pub max_error_rate: Option<f64>,
    /// Most late deliveries, as a fraction of those expected.
    #[serde(default)]
    pub max_late: Option<f64>,
    /// Most anomalies of one kind, as a fraction of the expected deliveries.
    #[serde(default)]
    pub max_anomalies: Option<f64>,
    /// Most connections that the server or the network ended, as a fraction of those that joined.
    #[serde(default)]
    pub max_cut: Option<f64>,
    /// Highest 99th percentile of the time to delivery, in seconds.
    #[serde(default)]
    pub max_p99_seconds: Option<f64>,
    /// Most of the hold that the generator itself may spoil, as a fraction.
    #[serde(default = "a_hundredth")]
    pub max_saturated: Option<f64>,
}

/// The limit of every run of 0.1, whose files do not say it.
#[allow(clippy::unnecessary_wraps)]
fn a_hundredth() -> Option<f64> {
    Some(0.01)
}
