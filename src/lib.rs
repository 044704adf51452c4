//! soakrig holds a steady load from a range of users on a chat server and accounts for every delivery.
//!
//! | module | what it is for |
//! | --- | --- |
//! | [`model`], [`clock`], [`marker`] | the shared vocabulary: labels, failures, time, the tag in each chat |
//! | [`cli`], [`config`], [`error`] | what was typed and what it means; exit codes |
//! | [`schedule`] | intents at a rate, from a timetable of absolute times |
//! | [`pool`], [`fleet`] | who is connected; the ramp, the worker threads, the supervisor of every user task |
//! | [`user`] | one virtual user: session, connection, reconnect |
//! | [`protocol`], [`drivers`] | what a protocol must be able to do; the protocols |
//! | [`transport`] | names, TCP, TLS, HTTP and websockets, for all drivers |
//! | [`ledger`] | who should have received what, by when; pure |
//! | [`presence`] | member lists against who is connected |
//! | [`saturation`], [`clock_events`] | whether this generator keeps up; jumps and stops of its clocks |
//! | [`connection_limit`] | the maximum number of connections of a listener |
//! | [`metrics`], [`exposition`], [`telemetry`], [`report`] | what people and Prometheus see |
//! | [`store`] | files that survive a crash half way through writing |
//! | [`stats`] | drift, steps and differences of series over time |
//! | [`server`] | the embedded plenary server |
//! | [`control`] | the commands that steer a run, and their socket |
//! | [`run`], [`commands`] | one run and its shutdown; the subcommands |
//!
//! `config → schedule → fleet → user → driver → server`, and back:
//! `event (stamped where its bytes are read) → ledger → verdict → metrics → exposition`.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod cli;
pub mod clock;
pub mod clock_events;
pub mod commands;
pub mod config;
pub mod connection_limit;
pub mod control;
pub mod drivers;
pub mod error;
pub mod exposition;
pub mod fleet;
pub mod ledger;
pub mod marker;
pub mod metrics;
pub mod model;
pub mod pool;
pub mod presence;
pub mod protocol;
pub mod report;
pub mod run;
pub mod saturation;
pub mod schedule;
pub mod server;
pub mod stats;
pub mod store;
pub mod telemetry;
pub mod transport;
pub mod user;
