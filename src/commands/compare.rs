//! `soakrig compare`: reads the summaries of two runs and prints what got worse.

use std::path::Path;

use crate::config::plan::{Compare, is_same_file};
use crate::error::{ExitCode, StartError};
use crate::model::Tolerances;
use crate::report::compare::{self, CompareError, Input};
use crate::report::file::{self, SummaryFile};
use crate::report::numbers::plain;
use crate::report::summary::Summary;
use crate::telemetry::stdio::{say, tell};

/// Compares and prints, and writes the comparison if a file was given. Exit code 99 if a figure got worse
/// by more than its tolerance.
pub(super) fn compare(wanted: &Compare) -> Result<ExitCode, StartError> {
    if let Some(json) = wanted.json.as_ref().filter(|json| is_input(wanted, json)) {
        let why = format!("{} is one of the files to compare", plain(&json.display().to_string()));
        return Err(StartError::usage("--json", why).remedy("write the comparison to a file of its own"));
    }
    let output = wanted.json.as_ref().map(SummaryFile::at).transpose().map_err(|e| failed("--json", &e))?;
    let [before, after] = [&wanted.before, &wanted.after];
    let (one, other) = (read(before)?, read(after)?);
    let [before, after] = [before, after].map(|path| path.display().to_string());
    let inputs = [Input { file: &before, summary: &one }, Input { file: &after, summary: &other }];
    let comparison = compare::compare(inputs[0], inputs[1], &Tolerances::of_all(&wanted.tolerances))
        .map_err(|e| failed("compare", &e).remedy(remedy(&e)))?;
    let mut code = ExitCode::from_number(comparison.code).unwrap_or(ExitCode::Threshold);
    if let Some(Err(error)) = output.map(|file| file.write_json(&comparison)) {
        say(&format!("soakrig: --json: {}", plain(&error.to_string())));
        code = if code == ExitCode::Ok { ExitCode::Environment } else { code };
    }
    tell(&compare::render(&comparison));
    Ok(code)
}

fn is_input(wanted: &Compare, json: &Path) -> bool {
    is_same_file(&wanted.before, json) || is_same_file(&wanted.after, json)
}

fn read(path: &Path) -> Result<Summary, StartError> {
    file::read(path).map_err(|e| failed("compare", &e).remedy("give files that --summary or merge wrote"))
}

fn failed(what: &str, error: &impl std::fmt::Display) -> StartError {
    StartError::environment(what, plain(&error.to_string()))
}

fn remedy(error: &CompareError) -> &'static str {
    match error {
        CompareError::NoTimeline(_) => "hold the run again with this version",
        CompareError::NoHold(_) => "hold the load for at least a few minutes; an hour shows far more",
        CompareError::SameRun(..) => "give the summaries of two runs; soakrig merge takes the shards of one run",
    }
}
