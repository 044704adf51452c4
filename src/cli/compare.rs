//! The options of `soakrig compare`.

use std::path::PathBuf;

use clap::Args;

use crate::model::GivenTolerance;

/// `soakrig compare`.
#[derive(Debug, Clone, Args)]
pub struct CompareArgs {
    /// Summary of the earlier run, written with --summary or by merge
    #[arg(value_name = "BEFORE")]
    pub before: PathBuf,
    /// Summary of the later run
    #[arg(value_name = "AFTER")]
    pub after: PathBuf,
    /// How much worse a figure may get: p99=10%, late=0.5%, lost=off; repeat it for more [default: docs/compare.md]
    #[arg(long, value_name = "NAME=LIMIT")]
    pub tolerance: Vec<GivenTolerance>,
    /// Write the comparison as JSON to this file
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}
