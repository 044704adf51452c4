//! The summary as a file, written whole or not at all: a kill at any moment leaves the last checkpoint.

mod destination;
mod earlier;
mod output_file;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use self::destination::Destination;

use crate::report::summary::{SCHEMA_VERSION, Summary};

pub use self::earlier::Earlier;
pub use self::output_file::{OutputError, OutputFile};

/// Largest summary that is read, in bytes: many times the usual size.
const MOST_BYTES: u64 = 32 << 20;

/// A summary file could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system refused to write.
    #[error("cannot write the summary {path}: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// The system refused to read.
    #[error("cannot read the summary {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// It is not a summary.
    #[error("{path} is not a summary that soakrig wrote: {reason}")]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// Destination of summaries. A file is replaced atomically and keeps its mode (0644 if it is new); links
/// are followed; devices and FIFOs are written to.
#[derive(Debug, Clone)]
pub struct SummaryFile {
    path: PathBuf,
    place: Destination,
}

impl SummaryFile {
    /// Checks that a file can be created at `path`, so that a wrong path shows before the run, not after it.
    ///
    /// # Errors
    /// If it cannot be created: exit code 104.
    pub fn at(path: impl Into<PathBuf>) -> Result<Self, FileError> {
        let path = path.into();
        let failed = |source| FileError::Write { path: path.clone(), source };
        let place = Destination::of(&path).map_err(failed)?;
        place.check().map_err(failed)?;
        Ok(Self { path, place })
    }

    /// The path, as it was given.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether checkpoints make sense there: in a file each replaces the one before; in a stream they would
    /// pile up.
    #[must_use]
    pub fn takes_checkpoints(&self) -> bool {
        matches!(self.place, Destination::File(_))
    }

    /// Replaces the file with this summary, which is on disk when this returns.
    ///
    /// # Errors
    /// If it cannot be written, which leaves the file as it was; if a FIFO gets no reader within 5 s.
    pub fn write(&self, summary: &Summary) -> Result<(), FileError> {
        self.write_json(summary)
    }

    /// The same for data computed from summaries.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn write_json(&self, value: &impl serde::Serialize) -> Result<(), FileError> {
        let text = serde_json::to_vec_pretty(value).map_err(|error| self.failed(error.into()))?;
        self.place.write(&[text.as_slice(), b"\n"].concat()).map_err(|source| self.failed(source))
    }

    fn failed(&self, source: io::Error) -> FileError {
        FileError::Write { path: self.path.clone(), source }
    }
}

/// Reads a summary.
///
/// # Errors
/// If the file cannot be read, is no summary, or is of another schema.
pub fn read(path: &Path) -> Result<Summary, FileError> {
    let failed = |source| FileError::Read { path: path.to_owned(), source };
    let foreign = |reason: String| FileError::Foreign { path: path.to_owned(), reason };
    let mut text = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(MOST_BYTES + 1).read_to_end(&mut text).map_err(failed)?;
    if text.len() as u64 > MOST_BYTES {
        return Err(foreign(format!("it is over {MOST_BYTES} bytes long")));
    }
    #[derive(serde::Deserialize)]
    struct Schema {
        schema_version: u32,
    }
    let schema: Schema = serde_json::from_slice(&text).map_err(|error| foreign(error.to_string()))?;
    if schema.schema_version != SCHEMA_VERSION {
        let versions = format!("its schema is {}, this soakrig knows {SCHEMA_VERSION}", schema.schema_version);
        return Err(foreign(versions));
    }
    let summary = serde_json::from_slice(&text).map_err(|error| foreign(error.to_string()))?;
    Ok(saturated_is_spoilt(summary))
}

/// A file of 0.1 has no spoilt time; the time of saturation stands in for it.
fn saturated_is_spoilt(mut summary: Summary) -> Summary {
    if summary.judged.is_none() {
        summary.generator.spoilt_seconds = summary.generator.saturated_seconds;
        summary.generator.spoilt_by.clone_from(&summary.generator.saturated_by);
    }
    summary
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ExitCode;
    use crate::report::end::End;
    use crate::report::inputs::tests::night;
    use crate::report::verdict::judge;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_is_written_is_read_and_nothing_else_is_left() {
        let home = tempfile::tempdir().unwrap();
        let file = SummaryFile::at(home.path().join("a.json")).unwrap();
        let mut summary = night();
        file.write(&summary).unwrap();
        summary.deliveries.expected += 1;
        file.write(&summary).unwrap();
        assert_eq!(read(file.path()).unwrap(), summary);
        assert_eq!(std::fs::metadata(file.path()).unwrap().permissions().mode() & 0o777, 0o644);
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_saturated_run_of_0_1_stays_invalid() {
        let home = tempfile::tempdir().unwrap();
        let file = SummaryFile::at(home.path().join("a.json")).unwrap();
        let mut summary = night();
        (summary.judged, summary.generator.saturated_seconds) = (None, 30.0);
        summary.generator.saturated_by.insert("read_delay".into(), 30.0);
        file.write(&summary).unwrap();
        let old = read(file.path()).unwrap();
        assert_eq!(old.generator.spoilt_seconds, 30.0);
        assert_eq!(judge(&old, &End::Settled).code, ExitCode::Invalid.number());
    }

    #[test]
    fn a_wrong_path_shows_before_the_run() {
        let home = tempfile::tempdir().unwrap();
        for wrong in [home.path().join("no/such/directory/a.json"), home.path().to_owned()] {
            let error = SummaryFile::at(&wrong).unwrap_err().to_string();
            assert!(error.contains(&wrong.display().to_string()), "{error}");
        }
    }

    #[test]
    fn other_files_are_refused_by_name() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("b.json");
        for (text, reason) in
            [("{", "EOF"), ("{\"schema_version\": 7}", "schema is 7"), ("{\"schema_version\": 1}", "missing field")]
        {
            std::fs::write(&path, text).unwrap();
            let error = read(&path).unwrap_err().to_string();
            assert!(error.contains("b.json") && error.contains(reason), "{error}");
        }
    }
}
