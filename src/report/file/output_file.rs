//! A file other than the summary, written at the end and replaced in the same way.

use std::io;
use std::path::{Path, PathBuf};

use super::destination::Destination;

/// The file could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {path}: {source}")]
pub struct OutputError {
    /// The file.
    pub path: PathBuf,
    /// The system's error.
    #[source]
    pub source: io::Error,
}

/// A destination. A file is replaced atomically; devices and FIFOs are written to.
#[derive(Debug, Clone)]
pub struct OutputFile {
    path: PathBuf,
    place: Destination,
}

impl OutputFile {
    /// Checks that a file can be created at `path`.
    ///
    /// # Errors
    /// If it cannot be created: exit code 104.
    pub fn at(path: &Path) -> Result<Self, OutputError> {
        let path = path.to_owned();
        let failed = |source| OutputError { path: path.clone(), source };
        let place = Destination::of(&path).map_err(failed)?;
        place.check().map_err(failed)?;
        Ok(Self { path, place })
    }

    /// The path, as it was given.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Replaces the file with this text.
    ///
    /// # Errors
    /// If it cannot be written, which leaves the file as it was.
    pub fn write(&self, text: &str) -> Result<(), OutputError> {
        self.place.write(text.as_bytes()).map_err(|source| OutputError { path: self.path.clone(), source })
    }
}
