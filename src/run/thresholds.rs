//! What a run is held to, as the summary keeps it and as the metrics show it.

use crate::config::plan;
use crate::config::value::Amount;
use crate::metrics::Metrics;
use crate::model::Limit;
use crate::report::summary::Thresholds;

/// The limits as the summary keeps them.
pub(crate) fn of(plan: &plan::Thresholds) -> Thresholds {
    let (max_lost, max_lost_share) = match plan.max_lost {
        Some(Amount::Count(most)) => (Some(most), None),
        Some(Amount::Share(most)) => (None, Some(most)),
        None => (None, None),
    };
    Thresholds {
        max_lost,
        max_lost_share,
        max_error_rate: plan.max_error_rate,
        max_late: plan.max_late,
        max_anomalies: plan.max_anomalies,
        max_cut: plan.max_cut,
        max_p99_seconds: plan.max_p99.map(|most| most.as_secs_f64()),
        max_saturated: plan.max_saturated,
    }
}

/// Shows the limits at `/metrics`.
pub(crate) fn show(plan: &plan::Thresholds, metrics: &Metrics) {
    let limits = of(plan);
    metrics.threshold(Limit::Lost, limits.max_lost.map(|most| most as f64).or(limits.max_lost_share));
    metrics.threshold(Limit::Late, limits.max_late);
    metrics.threshold(Limit::Anomalies, limits.max_anomalies);
    metrics.threshold(Limit::Cut, limits.max_cut);
    metrics.threshold(Limit::P99, limits.max_p99_seconds);
    metrics.threshold(Limit::ErrorRate, limits.max_error_rate);
    metrics.threshold(Limit::Saturated, limits.max_saturated);
}
