//! Commands that read summaries.

use std::path::PathBuf;

use clap::Args;

/// `soakrig merge`.
#[derive(Debug, Clone, Default, Args)]
pub struct MergeArgs {
    /// Summaries of the same run, written with --summary
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Write the merged summary as JSON to this file
    #[arg(long, short, visible_alias = "summary", value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Write the table of thresholds as JUnit XML to this file
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
}

/// `soakrig report`.
#[derive(Debug, Clone, Default, Args)]
pub struct ReportArgs {
    /// Summaries of the same run, written with --summary; several are merged first
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Write the page to this file [default: beside the first summary, as NAME.html]
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}
