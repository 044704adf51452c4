//! The file of saved sessions: one per target, shared by the generators of a machine.
//!
//! Knows files and their rules, but no server, and only the wall clock. All calls block, so call them where that is
//! allowed.

mod disk;
mod error;
mod format;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rand::distr::{Alphanumeric, SampleString};

use crate::model::Secret;
use crate::protocol::Session;

use disk::{Disk, Found, Lock};

pub use error::StoreError;
#[doc(hidden)]
pub use format::salvage_password;
pub use format::{Contents, Damage, SavedSession, read as read_contents};

/// Longest wait for another generator that is writing the same file.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whether sessions are saved or only read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Read and saved.
    ReadWrite,
    /// Only read; nothing is created, repaired or locked.
    ReadOnly,
}

/// The file of a target's sessions.
#[derive(Debug)]
pub struct Store {
    disk: Disk,
    target: String,
    mode: Mode,
    contents: Contents,
    notices: Vec<String>,
}

/// The path of a target's file in a directory: readable, and different for each target.
///
/// `target` is the origin with the path prefix, as in `https://chat.example.org/prefix`.
#[must_use]
pub fn file_in(directory: &Path, target: &str) -> PathBuf {
    let readable: String = target
        .split_once("://")
        .map_or(target, |(_, rest)| rest)
        .chars()
        .take(100)
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-') { c } else { '_' })
        .collect();
    directory.join(format!("{}-{:08x}.json", readable.trim_matches(['.', '-']), crc32fast::hash(target.as_bytes())))
}

/// A password that cannot be guessed: 20 letters and digits.
#[must_use]
pub fn make_password() -> Secret {
    Secret::new(Alphanumeric.sample_string(&mut rand::rng(), 20))
}

impl Store {
    /// Opens and reads the sessions of `target` (see [`file_in`]). A missing file counts as empty; directories are
    /// created. A damaged file is moved aside, with a notice.
    ///
    /// # Errors
    /// A file of another target, version or owner, that others can write to, that is too large, or that cannot be read
    /// or locked. The file is left unchanged.
    pub fn open(path: impl Into<PathBuf>, target: &str, mode: Mode) -> Result<Self, StoreError> {
        Self::open_within(path.into(), target, mode, PATIENCE)
    }

    fn open_within(path: PathBuf, target: &str, mode: Mode, patience: Duration) -> Result<Self, StoreError> {
        let disk = match mode {
            Mode::ReadWrite => Disk::prepare(path, patience)?,
            Mode::ReadOnly => Disk::at(path, patience),
        };
        let contents = Contents::empty(target);
        let mut store = Self { disk, target: target.to_owned(), mode, contents, notices: Vec::new() };
        store.contents = match mode {
            Mode::ReadOnly => store.load(None)?,
            Mode::ReadWrite => {
                let lock = store.disk.lock()?;
                store.disk.sweep(&lock);
                store.disk.try_out(&lock)?;
                store.load(Some(&lock))?
            }
        };
        Ok(store)
    }

    /// The file's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.disk.path()
    }

    /// Notices about repairs and omissions, for people; each is returned once.
    pub fn take_notices(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notices)
    }

    /// The sessions by username, as of the last reading of the file.
    #[must_use]
    pub fn sessions(&self) -> HashMap<String, Session> {
        self.contents.sessions.iter().map(|(name, saved)| (name.clone(), saved.session())).collect()
    }

    /// The target's generated password. The first call for a target generates it; later calls return the same one.
    ///
    /// # Errors
    /// If it can be neither read nor saved.
    pub fn password(&mut self) -> Result<Secret, StoreError> {
        if let Some(password) = &self.contents.password {
            return Ok(password.clone());
        }
        if self.mode == Mode::ReadOnly {
            return Err(StoreError::NoPassword { path: self.path().to_owned() });
        }
        let lock = self.disk.lock()?;
        let mut contents = self.load(Some(&lock))?;
        let password = contents.password.get_or_insert_with(make_password).clone();
        self.disk.replace(&lock, &contents.to_bytes())?;
        self.contents = contents;
        Ok(password)
    }

    /// Saves sessions, and removes those given as `None`. Entries of other users stay as other generators left them.
    /// Does nothing if sessions are only read.
    ///
    /// # Errors
    /// A full disk, an unwritable directory, or no lock. The file is then as it was, and the run may go on.
    pub fn save(&mut self, updates: impl IntoIterator<Item = (String, Option<Session>)>) -> Result<(), StoreError> {
        if self.mode == Mode::ReadOnly {
            return Ok(());
        }
        let lock = self.disk.lock()?;
        let mut contents = self.load(Some(&lock))?;
        // The file may have been deleted during the run; the password must survive that.
        if contents.password.is_none() {
            contents.password.clone_from(&self.contents.password);
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        for (name, session) in updates {
            match session {
                Some(session) => {
                    contents.sessions.insert(name, SavedSession::of(&session, now));
                }
                None => {
                    contents.sessions.remove(&name);
                }
            }
        }
        self.disk.replace(&lock, &contents.to_bytes())?;
        self.contents = contents;
        Ok(())
    }

    /// Reads the file; under a lock, a damaged one is moved aside.
    fn load(&mut self, lock: Option<&Lock>) -> Result<Contents, StoreError> {
        let Found { bytes, notice } = match self.disk.load(lock)? {
            Some(found) => found,
            None => return Ok(Contents::empty(&self.target)),
        };
        self.notices.extend(notice);
        let path = || self.path().to_owned();
        match format::read(&bytes) {
            Ok(contents) if contents.target != self.target => {
                Err(StoreError::OtherTarget { path: path(), holds: contents.target, wanted: self.target.clone() })
            }
            Ok(contents) => {
                if contents.left_out > 0 {
                    let text = format!("{}: left out {} unusable sessions", path().display(), contents.left_out);
                    self.notices.push(text);
                }
                Ok(contents)
            }
            Err(Damage::Version(version)) => Err(StoreError::OtherVersion { path: path(), version }),
            Err(Damage::Unreadable(why)) => match lock {
                Some(lock) => self.start_over(lock, &bytes, &why),
                None => Err(StoreError::Damaged { path: path(), why }),
            },
        }
    }

    fn start_over(&mut self, lock: &Lock, bytes: &[u8], why: &str) -> Result<Contents, StoreError> {
        let aside = self.disk.move_aside(lock)?;
        let mut contents = Contents::empty(&self.target);
        contents.password = format::salvage_password(bytes, &self.target);
        let password = if contents.password.is_some() { "its password was recovered" } else { "starting over" };
        let (path, aside) = (self.path().display(), aside.display());
        self.notices.push(format!("{path} was damaged ({why}): moved to {aside}, {password}"));
        if contents.password.is_some() {
            self.disk.replace(lock, &contents.to_bytes())?;
        }
        Ok(contents)
    }
}

#[cfg(test)]
mod tests;
