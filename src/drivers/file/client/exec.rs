//! Programs that a step runs: child processes without a shell or an environment, and with a timeout.
//!
//! A program is run on the runtime's blocking threads, and killed with its process group when its time is over or its
//! user is gone.

use std::io::{Read, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use parking_lot::Mutex;
use tokio::sync::OwnedSemaphorePermit;

use super::request::rendered;
use super::shared::{Person, Shared};
use crate::drivers::file::description::{Program, Step};
use crate::drivers::file::expectation::{capture_response, shortened};
use crate::drivers::file::source::Response;
use crate::drivers::file::template::Captured;
use crate::model::{Failure, FailureClass, FailureKind};

/// Maximum number of programs at once; further users wait.
pub(super) const MOST_AT_ONCE: usize = 8;
/// Longest time of a program.
const LONGEST: Duration = Duration::from_secs(10);
/// Longest standard output of a program, in bytes.
const OUTPUT: usize = 64 * 1024;
/// Most of its standard error that is kept, in bytes.
const COMPLAINT: usize = 4 * 1024;

/// Runs the program of a step, and captures values from its output.
///
/// # Errors
/// A program that cannot be started, takes too long, writes too much or fails; a capture that is missing.
pub(super) async fn run(
    shared: &Arc<Shared>,
    step: &Step,
    program: &Program,
    person: &Person,
) -> Result<Captured, Failure> {
    let values = person.values(&shared.target, None);
    let failed = |why: &str| {
        let text = format!("{}: {}", step.title, shared.description.secrets(&values).mask(why));
        Failure::with(shared.words.program, text).classed(FailureClass::Retry)
    };
    let arguments: Vec<String> =
        program.arguments.iter().map(|argument| rendered(argument, &values)).collect::<Result<_, _>>()?;
    let input = shared.description.input(&values).to_string();
    // The semaphore is never closed.
    let permit = Arc::clone(&shared.programs).acquire_owned().await.map_err(|_| failed("cannot be run"))?;
    let limit = step.timeout.map_or(LONGEST, |timeout| timeout.min(LONGEST));
    let written = output(arguments, input, permit, limit).await.map_err(|why| failed(&why))?;
    let mut captured = Captured::default();
    let answer = Response { headers: &http::HeaderMap::new(), body: &written };
    capture_response(&program.captures, answer, &mut captured)
        .map_err(|missing| Failure::with(FailureKind::Malformed, format!("{}: {missing}", step.title)))?;
    Ok(captured)
}

/// The standard output of a program, or an error in words if it fails.
async fn output(
    arguments: Vec<String>,
    input: String,
    permit: OwnedSemaphorePermit,
    limit: Duration,
) -> Result<String, String> {
    let group = Group::default();
    let killer = Killer(group.clone());
    let work = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        carried_out(&arguments, &input, &group)
    });
    let ended = tokio::time::timeout(limit, work).await;
    drop(killer);
    match ended {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Err("lost track of the program".to_owned()),
        Err(_) => Err(format!("the program had not ended after {}", humantime::format_duration(limit))),
    }
}

/// The process group of a program.
#[derive(Debug, Clone, Default)]
struct Group(Arc<Mutex<Stage>>);

#[derive(Debug, Clone, Copy, Default)]
enum Stage {
    #[default]
    Before,
    Running(Pid),
    Over,
}

impl Group {
    /// Starts the program as the leader of its own process group.
    fn start(&self, command: &mut Command) -> Result<Child, String> {
        let mut stage = self.0.lock();
        if matches!(*stage, Stage::Over) {
            return Err("the program is no longer waited for".to_owned());
        }
        let name = command.get_program().to_string_lossy().into_owned();
        let child = command.spawn().map_err(|e| format!("{name} cannot be run: {e}"))?;
        *stage = i32::try_from(child.id()).map_or(Stage::Over, |pid| Stage::Running(Pid::from_raw(pid)));
        Ok(child)
    }

    /// Kills the rest of the group, and forgets it.
    fn kill(&self) {
        let mut stage = self.0.lock();
        if let Stage::Running(pid) = *stage {
            // The group may already be gone.
            let _ = killpg(pid, Signal::SIGKILL);
        }
        *stage = Stage::Over;
    }

    /// Waits for the leader's end, then kills the rest of its group. Until the leader is reaped, no other process can
    /// have the number of the group.
    fn reap(&self, child: &mut Child) -> Result<ExitStatus, String> {
        let leader = match *self.0.lock() {
            Stage::Running(pid) => Some(pid),
            Stage::Before | Stage::Over => None,
        };
        if let Some(pid) = leader {
            let _ = waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT);
        }
        self.kill();
        child.wait().map_err(|e| format!("the program's end is unknown: {e}"))
    }
}

/// Kills the group of a program when it is dropped.
struct Killer(Group);

impl Drop for Killer {
    fn drop(&mut self) {
        self.0.kill();
    }
}

/// Runs a program to its end. Blocks.
fn carried_out(arguments: &[String], input: &str, group: &Group) -> Result<String, String> {
    let Some((program, rest)) = arguments.split_first() else { return Err("names no program".to_owned()) };
    let mut command = Command::new(program);
    command.args(rest).env_clear().process_group(0);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = group.start(&mut command)?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (written, complaint) = thread::scope(|scope| {
        // A program need not read its input.
        scope.spawn(move || stdin.map(|mut stdin| stdin.write_all(input.as_bytes())));
        let complaint = scope.spawn(move || kept(stderr, COMPLAINT).0);
        let (written, whole) = kept(stdout, OUTPUT);
        if !whole {
            group.kill();
        }
        (whole.then_some(written), complaint.join().unwrap_or_default())
    });
    let status = group.reap(&mut child)?;
    let Some(written) = written else { return Err(format!("the program wrote more than {} KiB", OUTPUT / 1024)) };
    if !status.success() {
        let complaint = String::from_utf8_lossy(&complaint);
        let said = match complaint.trim() {
            "" => String::new(),
            complaint => format!(": {}", shortened(complaint)),
        };
        return Err(format!("the program failed ({status}){said}"));
    }
    String::from_utf8(written).map_err(|_| "the program's output is not UTF-8".to_owned())
}

/// Up to `limit` bytes, and whether that was everything. The rest is read and dropped; the caller kills a program whose
/// output is too long.
fn kept(stream: Option<impl Read>, limit: usize) -> (Vec<u8>, bool) {
    let mut bytes = Vec::new();
    let Some(mut stream) = stream else { return (bytes, true) };
    let _ = (&mut stream).take(limit as u64).read_to_end(&mut bytes);
    let mut more = [0];
    let whole = !matches!(stream.read(&mut more), Ok(1..));
    if !whole && limit == COMPLAINT {
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
    }
    (bytes, whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::Semaphore;

    async fn ran(script: &str, limit: Duration) -> Result<String, String> {
        let programs = Arc::new(Semaphore::new(MOST_AT_ONCE));
        let permit = Arc::clone(&programs).acquire_owned().await.unwrap();
        let arguments = ["/bin/sh", "-c", script].map(str::to_owned).to_vec();
        let outcome = output(arguments, "{\"password\":\"pw\"}".to_owned(), permit, limit).await;
        // The permit is released once the program is over.
        let _ = tokio::time::timeout(Duration::from_secs(60), programs.acquire_many(8)).await.unwrap().unwrap();
        outcome
    }

    #[tokio::test]
    async fn a_program_reads_secrets_and_has_no_environment() {
        let script = "read line; echo \"$line ${HOME:-none} ${USER:-none} $#\"";
        assert_eq!(ran(script, LONGEST * 6).await.unwrap(), "{\"password\":\"pw\"} none none 0\n");
    }

    #[tokio::test]
    async fn a_program_that_reads_nothing_does_not_fail() {
        assert_eq!(ran("exec <&-; echo ok", LONGEST * 6).await.unwrap(), "ok\n");
    }

    #[tokio::test]
    async fn a_program_that_fails_says_why() {
        let said = ran("echo no such user >&2; exit 3", LONGEST * 6).await.unwrap_err();
        assert_eq!(said, "the program failed (exit status: 3): no such user");
        let said = ran("head -c 100000 /dev/zero | tr '\\0' e >&2; exit 1", LONGEST * 6).await.unwrap_err();
        assert!(said.len() < 200 && said.contains("exit status: 1): eee"), "{said}");
    }

    #[tokio::test]
    async fn a_program_that_writes_too_much_is_stopped() {
        let said = ran("while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxx; done", LONGEST * 6).await.unwrap_err();
        assert_eq!(said, "the program wrote more than 64 KiB");
    }

    #[tokio::test]
    async fn a_program_that_takes_too_long_is_killed_with_its_children() {
        let said = ran("sleep 1000 & sleep 1000", Duration::from_millis(200)).await.unwrap_err();
        // The pipes are closed, so the group is gone.
        assert_eq!(said, "the program had not ended after 200ms");
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_named() {
        let permit = Arc::new(Semaphore::new(1)).acquire_owned().await.unwrap();
        let said = output(vec!["/no/such".to_owned()], String::new(), permit, LONGEST).await.unwrap_err();
        assert!(said.starts_with("/no/such cannot be run"), "{said}");
    }

    #[test]
    fn a_program_whose_user_is_gone_is_not_begun() {
        let group = Group::default();
        drop(Killer(group.clone()));
        assert_eq!(
            carried_out(&["/bin/true".to_owned()], "", &group),
            Err("the program is no longer waited for".to_owned())
        );
    }
}
