//! The only place that wires the parts.

use crate::cli::Command;
use crate::config::Environment;
use crate::error::ExitCode;

/// Does what a command says, and tells how it ended.
#[must_use]
pub fn main(command: Command) -> ExitCode {
    match command.resolve(&Environment::of_process()) {
        Ok(resolved) => {
            for warning in &resolved.warnings {
                say(&format!("soakrig: warning: {warning}"));
            }
            ExitCode::Ok
        }
        Err(error) => {
            say(&error.to_string());
            error.code()
        }
    }
}

#[allow(clippy::print_stderr)]
fn say(text: &str) {
    eprintln!("{text}");
}
