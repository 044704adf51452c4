//! The embedded server: pages, sockets, faults, and its record of them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, missing_docs)]

mod client;
mod connection_limit;
mod delivery_faults;
mod faults;
mod leak_and_replay;
mod pages;
mod sockets;
