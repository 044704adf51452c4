//! The report as a file, replaced as the summary's is.

use std::io;
use std::path::{Path, PathBuf};

use super::destination::Destination;

/// The report could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the report {path}: {source}")]
pub struct PageError {
    /// The file.
    pub path: PathBuf,
    /// What the system said.
    #[source]
    pub source: io::Error,
}

/// Where a report goes: a file is replaced atomically, devices and FIFOs are written into.
#[derive(Debug, Clone)]
pub struct PageFile {
    path: PathBuf,
    place: Destination,
}

impl PageFile {
    /// Checks that a file can be made there.
    ///
    /// # Errors
    /// Where it cannot: exit code 104.
    pub fn at(path: impl Into<PathBuf>) -> Result<Self, PageError> {
        let path = path.into();
        let failed = |source| PageError { path: path.clone(), source };
        let place = Destination::of(&path).map_err(failed)?;
        place.check().map_err(failed)?;
        Ok(Self { path, place })
    }

    /// The path, as it was given.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Replaces the file by this page.
    ///
    /// # Errors
    /// Where it cannot be written; the file is as it was then.
    pub fn write(&self, page: &str) -> Result<(), PageError> {
        self.place.write(page.as_bytes()).map_err(|source| PageError { path: self.path.clone(), source })
    }
}
