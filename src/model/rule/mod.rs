//! Rules of `--fail-if` and `--abort-if`: `p99 > 500ms over 5m`.
//!
//! | file | what it is for |
//! | --- | --- |
//! | `types` | a rule and its metrics |
//! | `parse` | parses a rule, with errors that point at the character |

mod parse;
mod types;

pub use parse::RuleError;
pub use types::{DRIFT_FIGURES, LONGEST_WINDOW, Rule, RuleMetric, RuleOption, RuleUnit, Rules, Side, WINDOW_STEP};
