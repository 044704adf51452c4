//! The limits that a run is held to, as the metrics show them.

use crate::metrics::Metrics;
use crate::model::{Limit, Thresholds};

/// Shows the limits at `/metrics`.
pub(crate) fn show(limits: &Thresholds, metrics: &Metrics) {
    metrics.threshold(Limit::Lost, limits.max_lost.map(|most| most as f64).or(limits.max_lost_share));
    metrics.threshold(Limit::Late, limits.max_late);
    metrics.threshold(Limit::Anomalies, limits.max_anomalies);
    metrics.threshold(Limit::Cut, limits.max_cut);
    metrics.threshold(Limit::P99, limits.max_p99_seconds);
    metrics.threshold(Limit::ErrorRate, limits.max_error_rate);
    metrics.threshold(Limit::Saturated, limits.max_saturated);
}
