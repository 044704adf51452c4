//! `soakrig ctl`: sends one command to the chosen generators and prints their answers.

use std::path::PathBuf;

use crate::config::plan::Ctl;
use crate::config::value::{RunId, shown};
use crate::control::answer::Answer;
use crate::control::client::{NoAnswer, ask, sockets};
use crate::control::command::Command;
use crate::error::{ExitCode, StartError};
use crate::report::numbers::plain;
use crate::telemetry::stdio::{say, tell};

/// Sends the command to each generator and prints the answers. Exit code 0 if all carried it out, 104 if
/// one does not answer, else 2.
pub(super) fn ctl(wanted: &Ctl) -> Result<ExitCode, StartError> {
    let command: Command = wanted
        .line
        .parse()
        .map_err(|e: crate::control::command::CommandError| StartError::usage("ctl", e.why).remedy(e.remedy))?;
    let places = places(wanted)?;
    let several = places.len() > 1;
    let mut code = ExitCode::Ok;
    for place in &places {
        match ask(place, &command) {
            Ok(answer) => {
                print(&answer, wanted.json, several.then(|| place.display().to_string()));
                code = if answer.ok || code != ExitCode::Ok { code } else { ExitCode::Usage };
            }
            Err(error) => {
                say(&unanswered(&error).to_string());
                code = ExitCode::Environment;
            }
        }
    }
    Ok(code)
}

fn print(answer: &Answer, json: bool, place: Option<String>) {
    if json {
        return tell(answer.line().trim_end());
    }
    let said = answer.said.lines().map(plain).collect::<Vec<_>>().join("\n");
    let said = place.map_or_else(|| said.clone(), |place| format!("{place}:\n{said}"));
    match (answer.ok, &answer.remedy) {
        (true, _) => tell(&said),
        (false, Some(remedy)) => say(&format!("soakrig: ctl: {said}\n  remedy: {}", plain(remedy))),
        (false, None) => say(&format!("soakrig: ctl: {said}")),
    }
}

fn unanswered(error: &NoAnswer) -> StartError {
    StartError::environment("ctl", plain(&error.why)).remedy(error.remedy.clone())
}

/// The sockets of the chosen generators, at least one.
fn places(wanted: &Ctl) -> Result<Vec<PathBuf>, StartError> {
    if !wanted.sockets.is_empty() {
        return Ok(wanted.sockets.clone());
    }
    if let Some(run) = &wanted.run {
        run.parse::<RunId>().map_err(|e| StartError::usage("--run", format!("{}: {e}", shown(run))))?;
    }
    let directory = wanted.directory.as_ref().ok_or_else(|| {
        StartError::usage("--socket", "not given, and neither SOAKRIG_CONTROL_SOCKET nor XDG_RUNTIME_DIR is set")
            .remedy("give the path of the generator's --control-socket")
    })?;
    let found = sockets(directory, wanted.run.as_deref()).map_err(|e| unanswered(&e))?;
    if found.len() > 1 && wanted.run.is_none() {
        let names: Vec<String> = found.iter().map(|path| path.display().to_string()).collect();
        return Err(StartError::usage("--socket", format!("not given, and there are several: {}", names.join(", ")))
            .remedy("name one with --socket, or all of a run with --run ID"));
    }
    Ok(found)
}
