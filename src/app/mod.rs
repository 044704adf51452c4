//! The only place that wires the parts, and the order in which they stop.

mod assemble;
mod attendance;
mod books;
mod check;
mod cleanup;
mod course;
mod demo;
mod guard;
mod health;
mod hold;
mod keepers;
mod limits;
mod merge;
mod rig;
mod run;
mod signals;
mod target;
mod timekeeping;
mod traces;
mod view;

use crate::cli::Command;
use crate::config::Environment;
use crate::config::plan::Task;
use crate::error::{ExitCode, StartError};

/// How long a runtime that is done waits for its last blocking calls.
const SHUTDOWN: std::time::Duration = std::time::Duration::from_secs(2);

/// Does what a command says, and tells how it ended.
#[must_use]
pub fn main(command: Command) -> ExitCode {
    match command.resolve(&Environment::of_process()) {
        Ok(resolved) => {
            for warning in &resolved.warnings {
                say(&format!("soakrig: warning: {warning}"));
            }
            finish(perform(resolved.task))
        }
        Err(error) => finish(Err(error)),
    }
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
            Task::Merge(merge) => merge::merge(&merge),
            Task::Health(health) => health::health(health).await,
        }
    });
    runtime.shutdown_timeout(SHUTDOWN);
    ended
}

fn finish(ended: Result<ExitCode, StartError>) -> ExitCode {
    ended.unwrap_or_else(|error| {
        say(&error.to_string());
        error.code()
    })
}

/// A line for the person who started the process.
#[allow(clippy::print_stderr)]
fn say(text: &str) {
    eprintln!("{text}");
}

/// A result, on standard output.
#[allow(clippy::print_stdout)]
fn tell(text: &str) {
    println!("{text}");
}
