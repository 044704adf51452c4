//! `soakrig run`: holds the load on a server until stopped, on one plenary or on several.

use std::pin::Pin;

use super::protocol::with_protocol;
use crate::config::plan::Run;
use crate::drivers::Visitor;
use crate::error::ExitCode;
use crate::error::StartError;
use crate::protocol::Protocol;
use crate::report::text;
use crate::run::Held;
use crate::telemetry::stdio::tell;

/// Loads to hold with the chosen protocol.
struct Load(Vec<Run>);

impl Visitor for Load {
    type Output = Pin<Box<dyn Future<Output = Result<Vec<Held>, StartError>>>>;

    fn visit<P: Protocol>(self, protocol: P) -> Self::Output {
        Box::pin(async move { crate::run::run(&protocol, self.0).await })
    }
}

/// Loads to show with the chosen protocol, for `--dry-run`.
struct Shown(Vec<Run>);

impl Visitor for Shown {
    type Output = Result<String, StartError>;

    fn visit<P: Protocol>(self, protocol: P) -> Self::Output {
        crate::run::dry_run(&protocol, &crate::run::supported(&protocol, self.0)?)
    }
}

/// Runs to the end and prints a summary of each plenary; returns the worst exit code.
pub(super) async fn run(runs: Vec<Run>) -> Result<ExitCode, StartError> {
    let Some(first) = runs.first() else { return Ok(ExitCode::Ok) };
    let choice = first.plan.protocol.clone();
    if first.plan.dry_run {
        tell(&with_protocol(&choice, Shown(runs))??);
        return Ok(ExitCode::Ok);
    }
    let held = with_protocol(&choice, Load(runs))?.await?;
    let mut pages: Vec<String> = held.iter().map(|held| text::render(&held.summary)).collect();
    let codes: Vec<ExitCode> = held.iter().map(Held::code).collect();
    if let [_, _, ..] = codes.as_slice() {
        let whole = overall(&codes);
        pages.insert(0, whole.clone());
        pages.push(whole);
    }
    tell(&pages.join("\n\n"));
    Ok(ExitCode::worst(&codes))
}

/// The outcome for several plenaries: `2 plenaries: 1 passed, 1 refused (exit code 107)`.
fn overall(codes: &[ExitCode]) -> String {
    let mut all = ExitCode::ALL;
    all.sort_by_key(|code| code.severity());
    let of = |code: &ExitCode| codes.iter().filter(|other| *other == code).count();
    let said = all.iter().filter(|code| of(code) > 0).map(|code| format!("{} {}", of(code), became(*code)));
    let said = said.collect::<Vec<_>>().join(", ");
    format!("{} plenaries: {said} (exit code {})", codes.len(), ExitCode::worst(codes).number())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outcomes_of_several_plenaries_are_reported_at_once() {
        use ExitCode::{Invalid, Ok, Refused, Threshold};
        assert_eq!(overall(&[Ok, Refused]), "2 plenaries: 1 passed, 1 refused (exit code 107)");
        assert_eq!(overall(&[Ok, Ok, Ok]), "3 plenaries: 3 passed (exit code 0)");
        let all = overall(&[Threshold, Invalid, Ok, Threshold]);
        assert_eq!(all, "4 plenaries: 1 passed, 1 invalid, 2 failed (exit code 99)");
    }
}
