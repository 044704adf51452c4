//! `soakrig report`: writes one HTML page from the summaries of a run.

use std::path::PathBuf;

use super::merge::{put_together, read_all};
use crate::config::plan::{ReportPage, is_same_file};
use crate::error::{ExitCode, StartError};
use crate::report::file::OutputFile;
use crate::report::numbers::plain;
use crate::report::page;
use crate::telemetry::stdio::say;

/// Reads the summaries, merges several, and writes the page. The run's verdict is on the page; the exit
/// code does not depend on it.
pub(super) fn report(wanted: &ReportPage) -> Result<ExitCode, StartError> {
    let beside = || wanted.files.first().map(|first| first.with_extension("html")).unwrap_or_default();
    let output: PathBuf = wanted.output.clone().unwrap_or_else(beside);
    if let Some(input) = wanted.files.iter().find(|input| is_same_file(input, &output)) {
        let why = format!("{} is one of the summaries", plain(&input.display().to_string()));
        return Err(StartError::usage("--output", why).remedy("write the page to a file of its own"));
    }
    let failed = |error| {
        StartError::environment("--output", plain(&format!("{error}"))).remedy("give a path that can be written")
    };
    let file = OutputFile::at(&output).map_err(failed)?;
    let sources = read_all("report", &wanted.files)?;
    let summary = match sources.as_slice() {
        [only] => only.summary.clone(),
        _ => put_together("report", &sources)?,
    };
    file.write(&page::report(&summary)).map_err(failed)?;
    say(&format!("soakrig: the report is in {}", plain(&file.path().display().to_string())));
    Ok(ExitCode::Ok)
}
