//! The drivers: the plenary protocol against scripted servers, and the websocket reader.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, missing_docs)]

mod answers;
mod compression;
mod conformance;
mod connections;
mod cookies;
mod file_chat_server;
mod file_runs;
mod file_steps;
mod fuzz_checks;
mod fuzz_corpora;
mod memory;
mod own_headers;
mod plenary_accounts;
mod plenary_event;
mod plenary_hostile;
mod plenary_redirects;
mod plenary_tls;
mod proxies;
mod proxy_tunnel;
mod scripted_server;
mod ws_reader;
mod ws_socket;
