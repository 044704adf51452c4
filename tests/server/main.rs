//! The embedded server: pages, sockets, faults, and its record of them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, missing_docs)]

mod budgets;
mod deliveries;
mod faults;
mod misplaced;
mod pages;
mod sockets;
mod target_client;
