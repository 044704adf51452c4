//! `soakrig merge`: merges the summaries of several generators into one.

use std::path::PathBuf;

use crate::config::plan::{Merge, is_same_file};
use crate::error::{ExitCode, StartError};
use crate::report::file::{self, Earlier, OutputFile, SummaryFile};
use crate::report::junit;
use crate::report::merge::{self, MergeError, Source};
use crate::report::numbers::plain;
use crate::report::summary::Summary;
use crate::report::text;
use crate::telemetry::stdio::{say, tell};

/// Merges and prints, and writes the result if a file was given. Returns the exit code of the whole run.
pub(super) fn merge(wanted: &Merge) -> Result<ExitCode, StartError> {
    let outputs = [("--output", &wanted.output), ("--junit", &wanted.junit)];
    for (option, output) in outputs.into_iter().filter_map(|(option, output)| Some((option, output.as_ref()?))) {
        if let Some(input) = wanted.files.iter().find(|input| is_same_file(input, output)) {
            let why = format!("{} is one of the files to merge", plain(&input.display().to_string()));
            return Err(StartError::usage(option, why).remedy("write the merged summary to a file of its own"));
        }
    }
    if let (Some(output), Some(junit)) = (&wanted.output, &wanted.junit)
        && is_same_file(output, junit)
    {
        let why = format!("both are {}", plain(&junit.display().to_string()));
        return Err(StartError::usage("--output and --junit", why).remedy("give each a file of its own"));
    }
    let junit = wanted.junit.as_deref().map(OutputFile::at).transpose().map_err(|e| failed("--junit", &e))?;
    let output = wanted.output.as_ref().map(SummaryFile::at).transpose().map_err(|e| failed("--output", &e))?;
    let sources = read_all("merge", &wanted.files)?;
    let whole = put_together("merge", &sources)?;
    let mut code = ExitCode::from_number(whole.verdict.code).unwrap_or(ExitCode::Threshold);
    let written = output.map(|file| {
        if let Earlier::SameRun { kept, .. } | Earlier::Other { kept, .. } = file.keep_earlier(&whole)? {
            let (path, kept) = (file.path().display(), kept.display());
            say(&format!("soakrig: warning: --output: what was in {path} is kept as {kept}"));
        }
        file.write(&whole)
    });
    if let Some(Err(error)) = written {
        say(&format!("soakrig: --output: {}", plain(&error.to_string())));
        // The verdict is printed all the same.
        code = if code == ExitCode::Ok { ExitCode::Environment } else { code };
    }
    if let Some(Err(error)) = junit.map(|file| junit::write(&file, &whole)) {
        say(&format!("soakrig: --junit: {}", plain(&error.to_string())));
        code = if code == ExitCode::Ok { ExitCode::Environment } else { code };
    }
    tell(&text::render(&whole));
    Ok(code)
}

/// Reads summaries and says which of them are checkpoints. `what` is the command, for error messages.
pub(super) fn read_all(what: &str, files: &[PathBuf]) -> Result<Vec<Source>, StartError> {
    let read = |path: &PathBuf| -> Result<Source, StartError> {
        let summary = file::read(path).map_err(|e| failed(what, &e).remedy("give files that --summary wrote"))?;
        Ok(Source { name: path.display().to_string(), summary })
    };
    let sources = files.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    for source in sources.iter().filter(|source| !source.summary.run.complete) {
        let text = "the last checkpoint of a generator that was killed or is still running";
        say(&format!("soakrig: warning: {}: {text}", plain(&source.name)));
    }
    Ok(sources)
}

/// The summary of the whole run; prints warnings about it.
pub(super) fn put_together(what: &str, sources: &[Source]) -> Result<Summary, StartError> {
    let whole = merge::merge(sources).map_err(|e| failed(what, &e).remedy(remedy(&e)))?;
    for text in merge::late_starts(&whole) {
        say(&format!("soakrig: warning: {}", plain(&text)));
    }
    Ok(whole)
}

fn failed(what: &str, error: &impl std::fmt::Display) -> StartError {
    StartError::environment(what, plain(&error.to_string()))
}

fn remedy(error: &MergeError) -> &'static str {
    match error {
        MergeError::Nothing => "give the files that the generators wrote with --summary",
        MergeError::OtherRun { .. } => "give all generators of a run the same --run-id, --seed and plenary",
        MergeError::SameShard { .. } => {
            "give each file once; start generators with --shard I/N each, or with ranges that share no user"
        }
        MergeError::Overlap { .. } => {
            "start all generators of a run with the same range and --shard I/N each, or with ranges that share no user"
        }
        MergeError::Damaged { .. } => {
            "fetch the file from its generator again; if the generator wrote it like that, it is a bug in soakrig"
        }
    }
}
