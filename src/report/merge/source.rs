//! The input of a merge: summaries and their parts, each with the name of its file.

use std::time::{Duration, SystemTime};

use crate::report::summary::{Part, Run, Summary};

/// A summary and its name.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// Its file.
    pub name: String,
    /// Its contents.
    pub summary: Summary,
}

/// A part and the file that it came from.
pub(super) type NamedPart<'a> = (&'a str, Part);

/// Start and end of a run; `None` if the summary's times are not valid.
pub(super) fn times(run: &Run) -> Option<(SystemTime, SystemTime)> {
    let began = humantime::parse_rfc3339(&run.started).ok()?;
    let ended = began.checked_add(Duration::try_from_secs_f64(run.duration_seconds).ok()?)?;
    Some((began, ended))
}
