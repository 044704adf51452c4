//! Errors about saved sessions, each with its remedy.

use std::io;
use std::path::PathBuf;

use crate::error::StartError;

/// Why saved sessions cannot be read or written. Holds no secrets.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The system refused.
    #[error("{}: cannot {doing}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The attempted operation.
        doing: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// Another process held the lock for too long.
    #[error("{}: another process has held the lock for {waited} s", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// Length of the wait, in seconds.
        waited: u64,
    },
    /// The sessions are those of another server.
    #[error("{}: holds the sessions of {holds}, not of {wanted}", path.display())]
    OtherTarget {
        /// The file.
        path: PathBuf,
        /// The server whose sessions it holds.
        holds: String,
        /// The server whose sessions were wanted.
        wanted: String,
    },
    /// Written by another version of soakrig.
    #[error("{}: has the version {version}, which this soakrig does not know", path.display())]
    OtherVersion {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u64,
    },
    /// Another user owns the file.
    #[error("{}: belongs to another user (uid {owner}), who could have changed it", path.display())]
    OtherOwner {
        /// The file.
        path: PathBuf,
        /// The owner.
        owner: u32,
    },
    /// Others may write to the file.
    #[error("{}: others can write it (mode {mode:04o}), and could have changed it", path.display())]
    OpenToWriters {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The file is too large for saved sessions.
    #[error("{}: larger than {limit_mib} MiB", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit in MiB.
        limit_mib: u64,
    },
    /// A directory, a device, a pipe.
    #[error("{}: not a regular file", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// The file is damaged and may not be moved aside.
    #[error("{}: damaged: {why}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The place of the damage.
        why: String,
    },
    /// No password was given, none is saved, and none may be saved.
    #[error("{}: holds no password, and none may be saved there", path.display())]
    NoPassword {
        /// The file.
        path: PathBuf,
    },
}

impl StoreError {
    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> String {
        const ELSEWHERE: &str = "give another place with --cache-file";
        match self {
            Self::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                format!("make room on the disk, or {ELSEWHERE}")
            }
            Self::Io { .. } => format!("{ELSEWHERE}, or use what is there with --read-only-cache"),
            Self::Locked { path, .. } => {
                format!("look for a stopped soakrig (fuser {}), or {ELSEWHERE}", path.display())
            }
            Self::OtherTarget { .. } => {
                "leave --cache-file out: every target has its own file under the state directory".to_owned()
            }
            Self::OtherVersion { .. } => format!("use the soakrig that wrote it, or {ELSEWHERE}"),
            Self::OtherOwner { .. } => format!("run as its owner, or {ELSEWHERE}"),
            Self::OpenToWriters { path, .. } => {
                format!("if you trust its contents: chmod 600 {}; else delete it", path.display())
            }
            Self::TooLarge { .. } | Self::NotAFile { .. } => ELSEWHERE.to_owned(),
            Self::Damaged { .. } => "leave --read-only-cache out once: it is then moved aside".to_owned(),
            Self::NoPassword { .. } => {
                "give --password-file or SOAKRIG_PASSWORD, or leave --read-only-cache out once".to_owned()
            }
        }
    }
}

impl From<StoreError> for StartError {
    fn from(error: StoreError) -> Self {
        Self::environment("saved sessions", error.to_string()).remedy(error.remedy())
    }
}
