//! The command line: flags, variables, files, errors, help, `merge`; and the pages that must match
//! the code.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, missing_docs)]

mod accounts;
mod architecture;
mod compare;
mod cycles;
mod defaults;
mod docs_commands;
mod dry_run;
mod errors;
mod fleet;
mod health;
mod help;
mod layers;
mod machine;
mod merge;
mod metrics_page;
mod password;
mod plenaries;
mod protocol_files;
mod protocol_option;
mod reliability_page;
