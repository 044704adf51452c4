//! The command: see `soakrig --help`.

use std::process::ExitCode;

use soakrig::cli::{self, Wanted, parse};
use soakrig::error;

/// Returns free memory to the system. Over days of faults the C library's allocator keeps what it
/// once held (`docs/decisions/0010-an-allocator-that-gives-back.md`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

// Blocking writes are fine here: these commands only print.
#[allow(clippy::disallowed_methods)]
fn main() -> ExitCode {
    match parse(std::env::args_os()) {
        Ok(Wanted::Command(command)) => soakrig::commands::main(command).into(),
        Ok(Wanted::Document(document)) => match document.write(cli::definition(), &mut std::io::stdout()) {
            Ok(()) => error::ExitCode::Ok.into(),
            // The reader has seen enough.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => error::ExitCode::Ok.into(),
            Err(_) => error::ExitCode::Environment.into(),
        },
        Err(error) => {
            // A failure to print cannot be reported.
            let _ = error.print();
            ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
        }
    }
}
