//! The drivers: the plenary protocol against scripted servers, and the websocket reader.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, missing_docs)]

mod connections;
mod fuzz_bodies;
mod memory;
mod plenary_accounts;
mod plenary_event;
mod plenary_hostile;
mod plenary_strangers;
mod plenary_tls;
mod readers;
mod stage;
mod ws_reader;
mod ws_socket;
