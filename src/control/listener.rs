//! The generator's side of the socket: who may connect, for how long, and what is read.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::sys::stat::{Mode, umask};
use nix::unistd::geteuid;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use super::LONGEST_LINE;
use super::answer::Answer;
use super::command::Command;
use crate::connection_limit::{ConnectionLimit, ConnectionPermit};

/// Connections at a time; a further one replaces the one that has been quiet longest.
const MOST_CONNECTIONS: usize = 8;
/// How long a peer may take to send its line, and how long to take its answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Pause after `accept` failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// How long to wait for pending answers at the end.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);
/// Gives other users no access to the socket.
const UMASK: Mode = Mode::from_bits_truncate(0o177);

/// Carries out commands. It is called on the runtime, so it must return within a few milliseconds.
pub trait Steer: Send + Sync + 'static {
    /// Carries out a command and returns the answer.
    fn carry_out(&self, command: Command) -> Answer;

    /// Notes that a line was refused because it is not a command.
    fn refused(&self, answer: &Answer);
}

/// Why the generator cannot listen on a socket, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct SocketError {
    /// What is wrong, with the path.
    pub why: String,
    /// What to do.
    pub remedy: &'static str,
}

/// A socket without a listener yet.
#[derive(Debug)]
pub struct ControlSocket {
    listener: UnixListener,
    path: PathBuf,
    /// Device and inode: at the end, another file may be there.
    file: Option<(u64, u64)>,
}

impl ControlSocket {
    /// Creates the socket, mode 0600. The file of a process that has ended is replaced; a missing
    /// directory is created with mode 0700. Call it on a runtime, before other code creates files:
    /// it sets the umask for a moment.
    ///
    /// # Errors
    /// If another process listens there, another file is there, or the path cannot be written.
    pub fn at(path: PathBuf) -> Result<Self, SocketError> {
        let wrong = |why: String, remedy| SocketError { why: format!("{}: {why}", path.display()), remedy };
        if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
            let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(directory);
            made.map_err(|e| wrong(e.to_string(), "give a path in a directory that can be written"))?;
        }
        make_room(&path)?;
        let before = umask(UMASK);
        let bound = UnixListener::bind(&path);
        umask(before);
        let remedy = "give a path of at most 107 bytes in a directory that can be written";
        let listener = bound.map_err(|e| wrong(e.to_string(), remedy))?;
        let file = fs::symlink_metadata(&path).ok().map(|found| (found.dev(), found.ino()));
        Ok(Self { listener, path, file })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes commands until `stop` is cancelled; then the file is removed.
    pub fn listen(self, steer: Arc<dyn Steer>, stop: CancellationToken) -> JoinHandle<()> {
        tokio::spawn(async move {
            accept(&self.listener, steer, stop).await;
        })
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        let found = fs::symlink_metadata(&self.path).ok().map(|found| (found.dev(), found.ino()));
        if found.is_some() && found == self.file {
            // If it cannot be removed, the next start replaces it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Removes the socket of a process that has ended.
fn make_room(path: &Path) -> Result<(), SocketError> {
    let wrong = |why: &str, remedy| SocketError { why: format!("{}: {why}", path.display()), remedy };
    let Ok(found) = fs::symlink_metadata(path) else { return Ok(()) };
    if !found.file_type().is_socket() {
        return Err(wrong("a file that is not a socket is there", "give another path, or remove the file"));
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path)
            .map_err(|e| wrong(&format!("left by a process that has ended, and cannot be removed: {e}"), "remove it")),
        Ok(_) => {
            Err(wrong("another process listens there", "give each generator a socket of its own, or stop the other"))
        }
        Err(e) => Err(wrong(&e.to_string(), "give another path")),
    }
}

async fn accept(listener: &UnixListener, steer: Arc<dyn Steer>, stop: CancellationToken) {
    let places = ConnectionLimit::new(MOST_CONNECTIONS);
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) if is_ours(&stream) => {
                // No connection is exempt from closing, so one always fits.
                if let Some(place) = places.admit() {
                    connections.spawn(meet(stream, place, Arc::clone(&steer)));
                }
            }
            Ok(_) => tracing::warn!("a process of another user tried the control socket"),
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection to the control socket");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    let settled = async { while connections.join_next().await.is_some() {} };
    // Connections that remain after this are aborted with their set.
    let _ = tokio::time::timeout(STOP_TIMEOUT, settled).await;
}

/// Whether the process at the other end runs as this one's user or as root.
fn is_ours(stream: &UnixStream) -> bool {
    stream.peer_cred().is_ok_and(|peer| is_allowed(peer.uid(), geteuid().as_raw()))
}

fn is_allowed(peer: u32, own: u32) -> bool {
    peer == own || peer == 0
}

/// Serves one connection, until another takes its place.
async fn meet(stream: UnixStream, place: ConnectionPermit, steer: Arc<dyn Steer>) {
    tokio::select! {
        () = converse(stream, &place, steer) => {}
        () = place.closed() => {}
    }
}

/// Reads a line and answers it.
async fn converse(mut stream: UnixStream, place: &ConnectionPermit, steer: Arc<dyn Steer>) {
    let Ok(Ok(line)) = tokio::time::timeout(PATIENCE, read_line(&mut stream)).await else { return };
    let answer = match line.parsed() {
        Ok(command) => steer.carry_out(command),
        Err(answer) => {
            steer.refused(&answer);
            answer
        }
    };
    let written = place.answering(async {
        let line = answer.line();
        stream.write_all(line.as_bytes()).await?;
        stream.shutdown().await
    });
    // The command is carried out even if the peer does not read the answer.
    let _ = tokio::time::timeout(PATIENCE, written).await;
}

/// What was read: at most [`LONGEST_LINE`] bytes, and whether a line break was among them.
struct Line(Vec<u8>);

impl Line {
    fn parsed(&self) -> Result<Command, Answer> {
        let end = self.0.iter().position(|b| *b == b'\n');
        let Some(line) = end.and_then(|end| self.0.get(..end)) else {
            let why = format!("a line without its end, or of more than {LONGEST_LINE} bytes");
            return Err(Answer::refused(why, "send one command and a line break"));
        };
        let text = std::str::from_utf8(line)
            .map_err(|_| Answer::refused("a line that is not UTF-8", "send one command as text"))?;
        text.parse().map_err(|e: super::command::CommandError| Answer::refused(e.why, e.remedy))
    }
}

async fn read_line(stream: &mut UnixStream) -> io::Result<Line> {
    let mut line = Vec::with_capacity(128);
    let mut some = stream.take(LONGEST_LINE as u64);
    while some.read_buf(&mut line).await? > 0 {
        if line.contains(&b'\n') {
            break;
        }
    }
    Ok(Line(line))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    struct Echo;

    impl Steer for Echo {
        fn carry_out(&self, command: Command) -> Answer {
            Answer::done(command.to_string())
        }

        fn refused(&self, _: &Answer) {}
    }

    async fn said(path: &Path, sent: &[u8]) -> String {
        let mut stream = UnixStream::connect(path).await.unwrap();
        // The other end may have read enough.
        let _ = stream.write_all(sent).await;
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer).await;
        answer
    }

    #[tokio::test]
    async fn one_line_in_one_line_out() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("made/here/s.sock");
        let stop = CancellationToken::new();
        let socket = ControlSocket::at(path.clone()).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
        let task = socket.listen(Arc::new(Echo), stop.clone());
        assert_eq!(said(&path, b"rate  chat=5/s\nstatus\n").await, "{\"ok\":true,\"said\":\"rate chat=5/s\"}\n");
        let refused: Answer = serde_json::from_str(&said(&path, b"\xff\xfe\n").await).unwrap();
        assert!(!refused.ok && refused.said.contains("UTF-8"), "{refused:?}");
        let long: Answer = serde_json::from_str(&said(&path, &[b'a'; LONGEST_LINE]).await).unwrap();
        assert!(!long.ok && long.said.contains("4096"), "{long:?}");
        stop.cancel();
        task.await.unwrap();
        assert!(!path.exists(), "the file is removed");
    }

    #[tokio::test]
    async fn a_stale_socket_is_replaced_and_a_live_one_or_another_file_is_not() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("s.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "left by a process that is gone");
        let first = ControlSocket::at(path.clone()).unwrap();
        let second = ControlSocket::at(path.clone()).unwrap_err();
        assert!(second.why.contains("another process listens") && second.why.contains("s.sock"), "{second:?}");
        drop(first);
        fs::write(&path, "x").unwrap();
        assert!(ControlSocket::at(path.clone()).unwrap_err().why.contains("not a socket"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "x");
        let long = home.path().join("x".repeat(120));
        assert!(ControlSocket::at(long).unwrap_err().remedy.contains("107 bytes"));
    }

    #[tokio::test]
    async fn peers_who_say_nothing_keep_no_other_out() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("s.sock");
        let stop = CancellationToken::new();
        let task = ControlSocket::at(path.clone()).unwrap().listen(Arc::new(Echo), stop.clone());
        let mut silent = Vec::new();
        for _ in 0..3 * MOST_CONNECTIONS {
            silent.push(UnixStream::connect(&path).await.unwrap());
        }
        assert_eq!(said(&path, b"pause\n").await, "{\"ok\":true,\"said\":\"pause\"}\n");
        stop.cancel();
        drop(silent);
        task.await.unwrap();
    }

    #[test]
    fn only_the_same_user_and_root_are_heard() {
        assert!(is_allowed(1_000, 1_000) && is_allowed(0, 1_000));
        assert!(!is_allowed(1_001, 1_000) && !is_allowed(1_000, 0));
    }
}
