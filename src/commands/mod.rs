//! The subcommands, one file or folder each, and the runtime and exit code that they share.

mod check;
mod cleanup;
mod compare;
mod ctl;
mod demo;
mod health;
mod merge;
mod protocol;
mod report;
mod run;
mod target;

use std::time::Duration;

use crate::cli::Command;
use crate::config::Environment;
use crate::config::plan::Task;
use crate::error::{ExitCode, StartError};
use crate::telemetry::stdio::{self, say};

/// Longest wait of a finished runtime for its last blocking calls.
const SHUTDOWN: Duration = Duration::from_secs(2);
/// Longest wait at the end for a reader of the output that reads nothing.
const READING: Duration = Duration::from_secs(30);

/// Carries out a command and returns its exit code. Output that cannot be written does not change the
/// code; a slow reader gets all of it.
#[must_use]
pub fn main(command: Command) -> ExitCode {
    let mut patience = Some(READING);
    let ended = command.resolve(&Environment::of_process()).and_then(|resolved| {
        if let Task::Merge(_) | Task::Report(_) | Task::Compare(_) = resolved.task {
            // A command that only prints waits for its reader; signals end it.
            patience = None;
        }
        for warning in &resolved.warnings {
            say(&format!("soakrig: warning: {warning}"));
        }
        perform(resolved.task)
    });
    let code = ended.unwrap_or_else(|error| {
        say(&error.to_string());
        error.code()
    });
    stdio::finish(patience);
    code
}

fn perform(task: Task) -> Result<ExitCode, StartError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("soakrig")
        .build()
        .map_err(|e| StartError::environment("the runtime", e.to_string()))?;
    let ended = runtime.block_on(async {
        match task {
            Task::Run(runs) => run::run(runs).await,
            Task::Demo(demo) => demo::demo(demo).await,
            Task::Target(target) => target::target(target).await,
            Task::Check(check) => check::check(check).await,
            Task::Cleanup(cleanup) => cleanup::cleanup(cleanup).await,
            Task::Ctl(wanted) => ctl::ctl(&wanted),
            Task::Merge(merge) => merge::merge(&merge),
            Task::Report(wanted) => report::report(&wanted),
            Task::Compare(wanted) => compare::compare(&wanted),
            Task::Health(health) => health::health(health).await,
        }
    });
    runtime.shutdown_timeout(SHUTDOWN);
    ended
}
