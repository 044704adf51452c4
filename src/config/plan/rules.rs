//! The rules of a run, and whether the figures that they name exist.

use crate::error::StartError;
use crate::model::{DRIFT_FIGURES, RuleMetric, RuleOption, Rules};

use super::build::Draft;

impl Draft<'_> {
    /// The rules of `--fail-if` and `--abort-if`.
    ///
    /// # Errors
    /// The drift of a figure that nothing records.
    pub(super) fn rules(&self) -> Result<Rules, StartError> {
        let settings = &self.layers.settings;
        let typed = &settings.thresholds;
        let rules = Rules {
            fail_if: typed.fail_if.clone().unwrap_or_default(),
            abort_if: typed.abort_if.clone().unwrap_or_default(),
        };
        let watched = || settings.report.watch.iter().flatten().map(|watch| watch.name.as_str());
        for (option, rule) in rules.all() {
            let RuleMetric::Drift(figure) = &rule.metric else { continue };
            if !DRIFT_FIGURES.contains(&figure.as_str()) && !watched().any(|name| name == figure) {
                let key = if option == RuleOption::FailIf { "fail_if" } else { "abort_if" };
                let why = format!("{rule}: nothing records {figure}");
                let known: Vec<&str> = DRIFT_FIGURES.into_iter().chain(watched()).collect();
                let remedy = format!("give one of {}, or the NAME of a --watch", known.join(", "));
                return Err(self.layers.conflict(&[key], why).remedy(remedy));
            }
        }
        Ok(rules)
    }
}
