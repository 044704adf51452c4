//! The command: see `soakrig --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    match soakrig::cli::parse(std::env::args_os()) {
        Ok(cli) => soakrig::app::main(cli.command).into(),
        Err(error) => {
            // Nobody is left to tell where printing fails.
            let _ = error.print();
            ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
        }
    }
}
