//! A file in another form than the summary's, written at the end and replaced as that is.

use std::io;
use std::path::{Path, PathBuf};

use super::destination::Destination;

/// The file could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {path}: {source}")]
pub struct OutputError {
    /// The file.
    pub path: PathBuf,
    /// What the system said.
    #[source]
    pub source: io::Error,
}

/// Where it goes: a file is replaced atomically, devices and FIFOs are written into.
#[derive(Debug, Clone)]
pub struct OutputFile {
    path: PathBuf,
    place: Destination,
}

impl OutputFile {
    /// Checks that a file can be made there.
    ///
    /// # Errors
    /// Where it cannot: exit code 104.
    pub fn at(path: &Path) -> Result<Self, OutputError> {
        let path = path.to_owned();
        let failed = |source| OutputError { path: path.clone(), source };
        let place = Destination::of(&path).map_err(failed)?;
        place.check().map_err(failed)?;
        Ok(Self { path, place })
    }

    /// Replaces the file by this text.
    ///
    /// # Errors
    /// Where it cannot be written; the file is as it was then.
    pub fn write(&self, text: &str) -> Result<(), OutputError> {
        self.place.write(text.as_bytes()).map_err(|source| OutputError { path: self.path.clone(), source })
    }
}
