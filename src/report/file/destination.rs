//! The destination of a summary. A file is replaced as a whole, through links; a device, a FIFO or a
//! descriptor of this process is written to.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::unistd::{AccessFlags, access};

/// Longest wait for a FIFO's reader, and for the reader to take everything.
const READER: Duration = Duration::from_secs(5);
/// Interval between two attempts.
const RETRY: Duration = Duration::from_millis(20);
/// Longest chain of links, as in the kernel.
const MOST_LINKS: usize = 40;

/// What is at the end of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Destination {
    /// A file, or nothing yet.
    File(PathBuf),
    /// Something that takes bytes without keeping a file.
    Stream(PathBuf),
}

impl Destination {
    /// Examines a path, following links even to a file that does not exist yet.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        match fs::metadata(path) {
            Ok(found) if found.is_dir() => Err(ErrorKind::IsADirectory.into()),
            Ok(found) if found.file_type().is_fifo() || found.file_type().is_char_device() => {
                Ok(Self::Stream(path.to_owned()))
            }
            Ok(found) if !found.is_file() => Err(io::Error::other("it is neither a file nor a device to write to")),
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => follow(path),
        }
    }

    /// Checks whether it can be written to, as far as possible without writing.
    pub(super) fn check(&self) -> io::Result<()> {
        match self {
            Self::Stream(path) => access(path, AccessFlags::W_OK).map_err(io::Error::from),
            Self::File(path) => match tempfile::tempfile_in(directory(path)) {
                Err(error) => OpenOptions::new().append(true).open(path).map(drop).map_err(|_| error),
                Ok(_) => Ok(()),
            },
        }
    }

    /// Writes a text; a file's is on disk when this returns.
    pub(super) fn write(&self, text: &[u8]) -> io::Result<()> {
        match self {
            Self::Stream(path) => pour(path, text, Instant::now() + READER),
            Self::File(path) => match replace(path, text) {
                Err(error) if is_fixed(&error) && path.exists() => overwrite(path, text),
                written => written,
            },
        }
    }
}

/// The file behind links. Links in `/proc` are descriptors, which must not be replaced.
fn follow(path: &Path) -> io::Result<Destination> {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        if directory(&path).canonicalize()?.starts_with("/proc") {
            return Ok(Destination::Stream(path));
        }
        match fs::read_link(&path) {
            Ok(to) => path = directory(&path).join(to),
            Err(_) => return Ok(Destination::File(path)),
        }
    }
    Err(io::Error::other("there are too many links in a row"))
}

/// The directory of a path.
pub(super) fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Replaces a file atomically, or creates it; mode and owner stay.
fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let before = fs::metadata(path).ok();
    let mode = Permissions::from_mode(before.as_ref().map_or(0o644, |before| before.mode() & 0o7777));
    let mut draft = tempfile::Builder::new().prefix(".soakrig-summary-").tempfile_in(directory(path))?;
    if let Some(before) = before {
        // Only root may change owners; for others this fails, and the file stays theirs.
        let _ = fchown(draft.as_file(), Some(before.uid()), Some(before.gid()));
    }
    draft.as_file().set_permissions(mode)?;
    draft.write_all(text)?;
    draft.as_file().sync_all()?;
    draft.persist(path)?;
    File::open(directory(path))?.sync_all()
}

/// Whether a file can only be written in place: one mounted into a container by itself, or in another
/// user's directory.
fn is_fixed(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ResourceBusy | ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem)
}

fn overwrite(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).truncate(true).open(path)?;
    file.write_all(text)?;
    file.sync_all()
}

/// Writes to something with a reader, and does not wait for the reader for ever.
fn pour(path: &Path, text: &[u8], until: Instant) -> io::Result<()> {
    let waiting = |error: &io::Error, state: Errno| {
        let is_waiting = error.raw_os_error() == Some(state as i32) && Instant::now() < until;
        if is_waiting {
            std::thread::sleep(RETRY);
        }
        is_waiting
    };
    let no_reader = || io::Error::other(format!("nothing has read it for {} s", READER.as_secs()));
    let mut open = OpenOptions::new();
    open.append(true).custom_flags((OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits());
    let mut stream = loop {
        match open.open(path) {
            Err(error) if waiting(&error, Errno::ENXIO) => {}
            Err(error) if error.raw_os_error() == Some(Errno::ENXIO as i32) => return Err(no_reader()),
            opened => break opened?,
        }
    };
    let mut rest = text;
    while !rest.is_empty() {
        match stream.write(rest) {
            Ok(n) => rest = rest.get(n..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted || waiting(&error, Errno::EAGAIN) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Err(no_reader()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::stat::Mode;
    use std::io::Read;

    #[test]
    fn links_are_followed_and_stay() {
        let home = tempfile::tempdir().unwrap();
        let [real, link, farther] = ["real.json", "link.json", "farther.json"].map(|name| home.path().join(name));
        std::os::unix::fs::symlink("link.json", &farther).unwrap();
        std::os::unix::fs::symlink("real.json", &link).unwrap();
        // Once to a new path, once over the file.
        for text in ["one", "two"] {
            let place = Destination::of(&farther).unwrap();
            assert_eq!(place, Destination::File(real.clone()));
            place.write(text.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&real).unwrap(), text);
        }
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        std::os::unix::fs::symlink("round.json", home.path().join("round.json")).unwrap();
        assert!(Destination::of(&home.path().join("round.json")).is_err());
    }

    #[test]
    fn devices_are_written_into() {
        let place = Destination::of(Path::new("/dev/null")).unwrap();
        assert_eq!(place, Destination::Stream("/dev/null".into()));
        place.check().unwrap();
        place.write(b"{}").unwrap();
        assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
        let full = Destination::of(Path::new("/dev/full")).unwrap();
        assert_eq!(full.write(b"{}").unwrap_err().kind(), ErrorKind::StorageFull);
    }

    #[test]
    fn descriptors_of_the_process_are_streams_even_where_they_are_files() {
        use std::os::fd::AsRawFd;
        let file = tempfile::NamedTempFile::new().unwrap();
        for directory in ["/proc/self/fd", "/dev/fd"] {
            let path = Path::new(directory).join(file.as_file().as_raw_fd().to_string());
            assert_eq!(Destination::of(&path).unwrap(), Destination::Stream(path.clone()));
            Destination::of(&path).unwrap().write(b"{}\n").unwrap();
        }
        assert_eq!(fs::read_to_string(file.path()).unwrap(), "{}\n{}\n");
    }

    #[test]
    fn a_fifo_with_a_reader_gets_everything_and_stays_one() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("fifo");
        nix::unistd::mkfifo(&path, Mode::S_IRWXU).unwrap();
        // More than a pipe holds.
        let text = vec![b'x'; 300_000];
        let reader = std::thread::spawn({
            let path = path.clone();
            move || {
                let mut heard = Vec::new();
                File::open(path).unwrap().read_to_end(&mut heard).unwrap();
                heard
            }
        });
        Destination::of(&path).unwrap().check().unwrap();
        pour(&path, &text, Instant::now() + Duration::from_secs(60)).unwrap();
        assert!(reader.join().unwrap() == text);
        assert!(fs::metadata(&path).unwrap().file_type().is_fifo());
    }

    #[test]
    fn a_fifo_without_a_reader_is_an_error() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("fifo");
        nix::unistd::mkfifo(&path, Mode::S_IRWXU).unwrap();
        let error = pour(&path, b"{}", Instant::now()).unwrap_err();
        assert!(error.to_string().contains("nothing has read it"), "{error}");
    }

    #[test]
    fn who_may_read_a_file_stays_as_it_was() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("s.json");
        let mode = || fs::metadata(&path).unwrap().mode() & 0o777;
        let place = Destination::of(&path).unwrap();
        place.write(b"{}").unwrap();
        assert_eq!(mode(), 0o644);
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        place.write(b"{}").unwrap();
        assert_eq!(mode(), 0o600);
    }
}
