//! `soakrig run`: hold the load on a server until it is stopped, on one plenary or on several.

use std::sync::Arc;

use futures_util::future::try_join_all;

use super::assemble::Process;
use super::hold::{Held, Hold};
use super::signals::Signals;
use super::traces::Tracing;
use super::{limits, tell};
use crate::config::plan::{Logging, Plan, Run};
use crate::config::value;
use crate::error::{ExitCode, StartError};
use crate::fleet::lanes::Running;
use crate::report::machine::Machine;
use crate::report::summary::Summary;
use crate::report::words;
use crate::telemetry::{self, Extra, LogOptions, Logs, Screen};

/// Runs to the end, prints a summary of each plenary, and tells the exit code: the worst.
pub(super) async fn run(runs: Vec<Run>) -> Result<ExitCode, StartError> {
    let Some(first) = runs.first() else { return Ok(ExitCode::Ok) };
    // What concerns the console is the same for all.
    let console = Console::traced(&first.plan)?;
    let held = hold(runs, &console).await;
    console.close().await;
    let held = held?;
    let mut pages: Vec<String> = held.iter().map(|held| words::render(&held.summary)).collect();
    let codes: Vec<ExitCode> = held.iter().map(Held::code).collect();
    if let [_, _, ..] = codes.as_slice() {
        let whole = overall(&codes);
        pages.insert(0, whole.clone());
        pages.push(whole);
    }
    tell(&pages.join("\n\n"));
    Ok(worst(&codes))
}

fn worst(codes: &[ExitCode]) -> ExitCode {
    codes.iter().copied().max_by_key(|code| severity(*code)).unwrap_or(ExitCode::Ok)
}

/// What became of several plenaries, and how the process ends: `2 plenaries: 1 passed, 1 refused (exit code 107)`.
fn overall(codes: &[ExitCode]) -> String {
    let mut all = ExitCode::ALL;
    all.sort_by_key(|code| severity(*code));
    let of = |code: &ExitCode| codes.iter().filter(|other| *other == code).count();
    let said = all.iter().filter(|code| of(code) > 0).map(|code| format!("{} {}", of(code), became(*code)));
    let said = said.collect::<Vec<_>>().join(", ");
    format!("{} plenaries: {said} (exit code {})", codes.len(), worst(codes).number())
}

fn became(code: ExitCode) -> &'static str {
    match code {
        ExitCode::Ok => "passed",
        ExitCode::Invalid => "invalid",
        ExitCode::Threshold => "failed",
        ExitCode::Refused => "refused",
        ExitCode::Interrupted => "stopped by a second signal",
        ExitCode::Usage | ExitCode::Environment => "without its summary file",
    }
}

/// The exit code of a summary's verdict.
pub(super) fn code_of(summary: &Summary) -> ExitCode {
    ExitCode::ALL.into_iter().find(|code| code.number() == summary.verdict.code).unwrap_or(ExitCode::Threshold)
}

/// Which of several verdicts the process ends with: the higher. What a server did wrong outranks what
/// a generator could not show.
fn severity(code: ExitCode) -> u8 {
    match code {
        ExitCode::Ok => 0,
        ExitCode::Invalid => 1,
        ExitCode::Threshold => 2,
        ExitCode::Refused => 3,
        ExitCode::Interrupted => 4,
        ExitCode::Usage | ExitCode::Environment => 5,
    }
}

/// Where people look: the terminal, the log lines on it, and traces.
pub(super) struct Console {
    pub(super) screen: Screen,
    pub(super) logs: Logs,
    pub(super) tracing: Tracing,
}

impl Console {
    /// Sets logging up, once a process.
    pub(super) fn open(logging: &Logging) -> Result<Self, StartError> {
        Self::with(logging, Tracing::default(), Vec::new())
    }

    /// Sets logging up with the traces that the plan asks for.
    pub(super) fn traced(plan: &Plan) -> Result<Self, StartError> {
        let (tracing, layers) = Tracing::start(plan)?;
        Self::with(&plan.logging, tracing, layers)
    }

    fn with(logging: &Logging, tracing: Tracing, layers: Vec<Extra>) -> Result<Self, StartError> {
        let (format, screen) = match logging.format {
            value::LogFormat::Human => (telemetry::LogFormat::Human, Screen::stderr()),
            value::LogFormat::Json => (telemetry::LogFormat::Json, Screen::plain()),
        };
        let directives = std::env::var(telemetry::FILTER_VARIABLE).ok();
        let options = LogOptions { format, verbose: logging.verbose, directives };
        let logs = telemetry::init(&options, &screen, layers)
            .map_err(|e| StartError::environment("logging", e.to_string()))?;
        Ok(Self { screen, logs, tracing })
    }

    /// Sends the last spans.
    pub(super) async fn close(self) {
        self.tracing.finish().await;
    }
}

/// Holds loads until their ends: what came of each, in their order.
///
/// Nothing is sent before all of them are ready to begin; then each ends by itself, and signals
/// concern all.
pub(super) async fn hold(runs: Vec<Run>, console: &Console) -> Result<Vec<Held>, StartError> {
    // First of all: from here on a signal is a wish, and not the end of the process.
    let signals = Signals::listen()?;
    limits::raise_open_files();
    let running = Running::start().map_err(|e| StartError::environment("the threads of the users", e.to_string()))?;
    let (process, several) = (Process::start(), runs.len() > 1);
    let mut holds = Vec::new();
    for run in runs {
        holds.push(Hold::prepare(run, process, running.lanes(), console, several).await?);
    }
    let mut machine = Machine::read();
    for hold in &holds {
        hold.forecast(&mut machine).await?;
    }
    for hold in &mut holds {
        hold.take_over().await?;
        hold.announce();
    }
    until_the_end(&mut holds, signals, console).await?;
    let mut held = Vec::new();
    for hold in holds {
        held.push(hold.close().await);
    }
    Ok(held)
}

/// Waits for the ends of all, and tells them what signals ask for.
async fn until_the_end(holds: &mut [Hold], mut signals: Signals, console: &Console) -> Result<(), StartError> {
    let rigs: Vec<_> = holds.iter().map(|hold| Arc::clone(&hold.rig)).collect();
    let second = async {
        signals.next().await;
        tracing::info!("stopping: deliveries settle, then the sockets close; a second signal ends at once");
        rigs.iter().for_each(|rig| rig.stop());
        signals.next().await;
    };
    tokio::select! {
        biased;
        () = second => Ok(()),
        ended = try_join_all(holds.iter_mut().map(|hold| hold.run(console))) => ended.map(|_| ()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_verdicts_the_worst_counts() {
        let mut codes = ExitCode::ALL;
        codes.sort_by_key(|code| std::cmp::Reverse(severity(*code)));
        let numbers: Vec<u8> = codes.iter().map(|code| code.number()).filter(|n| ![2, 104].contains(n)).collect();
        assert_eq!(numbers, [105, 107, 99, 106, 0]);
    }

    #[test]
    fn what_became_of_several_plenaries_is_told_at_once() {
        use ExitCode::{Invalid, Ok, Refused, Threshold};
        assert_eq!(overall(&[Ok, Refused]), "2 plenaries: 1 passed, 1 refused (exit code 107)");
        assert_eq!(overall(&[Ok, Ok, Ok]), "3 plenaries: 3 passed (exit code 0)");
        let all = overall(&[Threshold, Invalid, Ok, Threshold]);
        assert_eq!(all, "4 plenaries: 1 passed, 1 invalid, 2 failed (exit code 99)");
    }
}
