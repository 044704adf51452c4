//! The side of `soakrig ctl`: finds the socket, sends a command and reads the answer.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::answer::Answer;
use super::command::Command;

/// How long to wait for an answer.
const PATIENCE: Duration = Duration::from_secs(15);
/// The longest answer read, in bytes.
const LONGEST_ANSWER: u64 = 1 << 20;

const NOT_HEARD: &str = "the generator accepts only its own user and root: run ctl as that user";

/// Why there is no answer, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct NoAnswer {
    /// What is wrong, with the path.
    pub why: String,
    /// What to do.
    pub remedy: String,
}

impl NoAnswer {
    fn new(why: String, remedy: impl Into<String>) -> Self {
        Self { why, remedy: remedy.into() }
    }
}

/// The sockets in a directory; with `run`, only those of that run.
///
/// # Errors
/// If there is none.
pub fn sockets(directory: &Path, run: Option<&str>) -> Result<Vec<PathBuf>, NoAnswer> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let of_run = |name: &str| run.is_none_or(|run| name.strip_prefix(run).is_some_and(|rest| rest.starts_with('-')));
    let mut found: Vec<PathBuf> = entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_socket()))
        .filter(|entry| entry.file_name().to_str().is_some_and(of_run))
        .map(|entry| entry.path())
        .collect();
    found.sort();
    if found.is_empty() {
        let whose = run.map_or_else(String::new, |run| format!(" of run {run}"));
        return Err(NoAnswer::new(
            format!("{}: no socket{whose} here", directory.display()),
            "start the generator with --control-socket auto, or give --socket FILE as its --control-socket has it",
        ));
    }
    Ok(found)
}

/// Sends a command to the generator at this socket.
///
/// # Errors
/// If nothing listens there, or the reply is not an answer.
pub fn ask(path: &Path, command: &Command) -> Result<Answer, NoAnswer> {
    let shown = path.display();
    let mut text = String::new();
    let asked = talk(path, command, &mut text);
    if let Err(error) = asked {
        let remedy = match error.kind() {
            io::ErrorKind::NotFound => "give the path of --control-socket; the generator may not run, or run elsewhere",
            io::ErrorKind::ConnectionRefused => "the generator has ended: there is nothing to steer",
            io::ErrorKind::PermissionDenied => "run ctl as the user of the generator",
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => NOT_HEARD,
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => "the generator does not respond; see its log",
            _ => "see the generator's log",
        };
        return Err(NoAnswer::new(format!("{shown}: {error}"), remedy));
    }
    serde_json::from_str(&text).map_err(|_| {
        let remedy = if text.is_empty() { NOT_HEARD } else { "give the socket of a generator of this version" };
        NoAnswer::new(format!("{shown}: the reply is not an answer"), remedy)
    })
}

fn talk(path: &Path, command: &Command, text: &mut String) -> io::Result<()> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    writeln!(stream, "{command}")?;
    stream.take(LONGEST_ANSWER).read_to_string(text)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_found_by_their_run() {
        let home = tempfile::tempdir().unwrap();
        let none = sockets(home.path(), Some("a")).unwrap_err();
        assert!(none.why.contains("no socket of run a") && none.remedy.contains("--control-socket auto"));
        let open = |name: &str| std::os::unix::net::UnixListener::bind(home.path().join(name)).unwrap();
        let _open = ["a-0.sock", "a-1.sock", "ab-0.sock"].map(open);
        fs::write(home.path().join("a-2.sock"), "").unwrap();
        let names = |run| {
            let found = sockets(home.path(), run).unwrap();
            found.iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(names(Some("a")), ["a-0.sock", "a-1.sock"]);
        assert_eq!(names(None).len(), 3);
    }

    #[test]
    fn a_socket_without_a_listener_is_named() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("s.sock");
        let missing = ask(&path, &Command::Status).unwrap_err();
        assert!(missing.why.contains("s.sock") && missing.remedy.contains("--control-socket"), "{missing:?}");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(ask(&path, &Command::Status).unwrap_err().remedy.contains("has ended"));
    }
}
