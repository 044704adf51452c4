//! Whole runs: the binary against the embedded server, and users on a paused clock.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, missing_docs)]

mod anomaly_log;
mod cache;
mod collector;
mod crowd;
mod demo;
mod exact;
mod fleet;
mod forged_markers;
mod hall;
mod honesty;
mod hostile_run;
mod leaks;
mod misplaced;
mod operation;
mod ordeal;
mod outage;
mod output;
mod plenaries;
mod presence;
#[path = "../drivers/scripted_server.rs"]
mod scripted_server;
mod signals;
mod soak_self;
mod store_processes;
mod summary_file;
mod support;
mod survival;
mod terminal;
mod three_days;
mod timekeeping;
mod traces;
mod verbose;
mod verdict;
