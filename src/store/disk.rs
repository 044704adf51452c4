//! The rules of the file: permissions, one writer at a time, replacement as a whole.
//!
//! Knows bytes, not their meaning.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::error::StoreError;

/// Largest file of sessions accepted; 20,000 users take about 5 MB.
const LIMIT_MIB: u64 = 256;
/// Size of a trial write: a block of most file systems.
const TRIAL_BYTES: usize = 4096;
/// Interval between two attempts to lock.
const POLL: Duration = Duration::from_millis(5);

/// A file, the lock beside it, and the longest wait for the lock.
#[derive(Debug)]
pub(super) struct Disk {
    path: PathBuf,
    patience: Duration,
}

/// The right to change the file; released when dropped, and by the system when the process dies.
#[derive(Debug)]
pub(super) struct Lock(#[allow(dead_code)] File);

/// The bytes read.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) bytes: Vec<u8>,
    /// A notice about a repair.
    pub(super) notice: Option<String>,
}

impl Disk {
    /// A file that is only read.
    pub(super) fn at(path: PathBuf, patience: Duration) -> Self {
        Self { path, patience }
    }

    /// A file that will be written: creates its directory, and follows a symbolic link once, so that writing replaces
    /// the file rather than the link.
    pub(super) fn prepare(path: PathBuf, patience: Duration) -> Result<Self, StoreError> {
        let parent = directory_of(&path);
        let made = DirBuilder::new().recursive(true).mode(0o700).create(parent);
        made.map_err(|source| StoreError::Io { path: parent.to_owned(), doing: "create the directory", source })?;
        let path = fs::canonicalize(&path).unwrap_or(path);
        Ok(Self { path, patience })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Waits for the lock, up to the patience. The lock is a separate file, since each save replaces the file itself.
    pub(super) fn lock(&self) -> Result<Lock, StoreError> {
        let path = self.beside(".lock");
        let io = |doing| move |source| StoreError::Io { path: self.beside(".lock"), doing, source };
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(io("open the lock"))?;
        let until = Instant::now() + self.patience;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Lock(file)),
                Err(TryLockError::Error(source)) => return Err(io("lock")(source)),
                Err(TryLockError::WouldBlock) if Instant::now() >= until => {
                    return Err(StoreError::Locked { path, waited: self.patience.as_secs() });
                }
                Err(TryLockError::WouldBlock) => std::thread::sleep(POLL),
            }
        }
    }

    /// The file's bytes; `None` if there is no file. Under a lock, a file that others can read is closed to them.
    pub(super) fn load(&self, lock: Option<&Lock>) -> Result<Option<Found>, StoreError> {
        // Opening a pipe would block until its other end is open.
        match fs::metadata(&self.path) {
            Ok(metadata) if !metadata.is_file() => return Err(StoreError::NotAFile { path: self.path.clone() }),
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            _ => {}
        }
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(self.io("read", e)),
        };
        let metadata = file.metadata().map_err(|e| self.io("read", e))?;
        let notice = self.check(&file, &metadata, lock.is_some())?;
        let too_large = || StoreError::TooLarge { path: self.path.clone(), limit_mib: LIMIT_MIB };
        if metadata.len() > LIMIT_MIB << 20 {
            return Err(too_large());
        }
        let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0) + 1);
        file.take((LIMIT_MIB << 20) + 1).read_to_end(&mut bytes).map_err(|e| self.io("read", e))?;
        if bytes.len() as u64 > LIMIT_MIB << 20 {
            return Err(too_large());
        }
        Ok(Some(Found { bytes, notice }))
    }

    /// Refuses a file that others could have changed; closes one that others can read.
    fn check(&self, file: &File, metadata: &fs::Metadata, may_repair: bool) -> Result<Option<String>, StoreError> {
        let path = self.path.clone();
        let owner = metadata.uid();
        // Root can change every file anyway, and owns mounted secrets.
        if owner != nix::unistd::geteuid().as_raw() && owner != 0 {
            return Err(StoreError::OtherOwner { path, owner });
        }
        let mode = metadata.mode() & 0o777;
        if mode & 0o022 != 0 {
            return Err(StoreError::OpenToWriters { path, mode });
        }
        if mode & 0o077 == 0 {
            return Ok(None);
        }
        let shown = path.display();
        if !may_repair {
            return Ok(Some(format!("{shown}: others can read the sessions (mode {mode:04o})")));
        }
        file.set_permissions(Permissions::from_mode(0o600)).map_err(|e| self.io("close it to others", e))?;
        Ok(Some(format!("{shown}: others could read the sessions (mode {mode:04o}); it is 0600 now")))
    }

    /// Replaces the file as a whole: a reader finds the old bytes or the new ones, even if this process dies.
    pub(super) fn replace(&self, _lock: &Lock, bytes: &[u8]) -> Result<(), StoreError> {
        let directory = directory_of(&self.path);
        let io = |e| self.io("write", e);
        let mut file = tempfile::Builder::new()
            .prefix(&self.scratch_prefix())
            .suffix(".tmp")
            .permissions(Permissions::from_mode(0o600))
            .tempfile_in(directory)
            .map_err(io)?;
        file.write_all(bytes).map_err(io)?;
        file.as_file().sync_all().map_err(io)?;
        file.persist(&self.path).map_err(|e| io(e.error))?;
        // Without this a crash of the machine may undo the rename.
        File::open(directory).and_then(|directory| directory.sync_all()).map_err(io)
    }

    /// Writes a trial file beside the file, so that a full or read-only disk shows before the run, not during it.
    pub(super) fn try_out(&self, _lock: &Lock) -> Result<(), StoreError> {
        let try_out = || {
            let mut file = tempfile::tempfile_in(directory_of(&self.path))?;
            file.write_all(&[b' '; TRIAL_BYTES])?;
            file.sync_all()
        };
        try_out().map_err(|e| self.io("write beside it", e))
    }

    /// Moves the file aside; returns its new path.
    pub(super) fn move_aside(&self, _lock: &Lock) -> Result<PathBuf, StoreError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut aside = self.beside(&format!(".damaged-{now}"));
        for n in 2.. {
            if !aside.exists() {
                break;
            }
            aside = self.beside(&format!(".damaged-{now}-{n}"));
        }
        fs::rename(&self.path, &aside).map_err(|e| self.io("move the damaged file aside", e))?;
        Ok(aside)
    }

    /// Removes leftovers of killed writers; under the lock no other process writes.
    pub(super) fn sweep(&self, _lock: &Lock) {
        let prefix = self.scratch_prefix();
        let Ok(entries) = fs::read_dir(directory_of(&self.path)) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let ours = name.as_encoded_bytes().starts_with(prefix.as_encoded_bytes());
            if ours && name.as_encoded_bytes().ends_with(b".tmp") {
                // A remaining leftover does no harm.
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    fn scratch_prefix(&self) -> OsString {
        let mut name = OsString::from(".");
        name.push(self.path.file_name().unwrap_or_default());
        name.push(".");
        name
    }

    fn beside(&self, ending: &str) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(ending);
        PathBuf::from(name)
    }

    fn io(&self, doing: &'static str, source: io::Error) -> StoreError {
        StoreError::Io { path: self.path.clone(), doing, source }
    }
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
