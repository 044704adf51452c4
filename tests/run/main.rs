//! Whole runs: the binary against the embedded server, and users on a paused clock.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, missing_docs)]

mod anomaly_log;
mod cache;
mod check;
mod control;
mod control_admission;
mod demo;
mod drift;
mod exact;
mod fault_harness;
mod fleet;
mod fleet_harness;
mod forged_markers;
mod honesty;
mod hostile_run;
mod in_memory_server;
mod leak_and_replay;
mod metrics_of_0_1;
mod nginx;
mod operation;
mod otlp_collector;
mod outage;
mod output;
mod plenaries;
mod plenary_config;
mod presence;
mod proxied;
#[path = "../drivers/proxies.rs"]
mod proxies;
mod reconnect;
mod resemblance;
mod rooms;
mod rules;
#[path = "../drivers/scripted_server.rs"]
mod scripted_server;
mod signals;
mod soak_self;
mod steered;
mod store_processes;
mod summary_file;
mod support;
mod survival;
mod terminal;
mod three_days;
mod timekeeping;
mod timeline;
mod traces;
mod verbose;
mod verdict;
mod watch;
