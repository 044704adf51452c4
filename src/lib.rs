//! soakrig: steady load from a range of users on a chat server, every delivery accounted for.
//!
//! | module | what it is for |
//! | --- | --- |
//! | [`chat`], [`clock`], [`marker`] | the shared vocabulary: labels, failures, time, the tag in each chat |
//! | [`config`] | what was typed, and what it means |
//! | [`schedule`] | intents at a rate, from a timetable of absolute times |
//! | [`fleet`] | the ramp and the supervisor that owns every user task |
//! | [`user`] | one person's life: session, socket, reconnect |
//! | [`drivers`] | the protocols: steps in, events and failures out |
//! | [`transport`] | names, TCP, TLS, HTTP and websockets, for all drivers |
//! | [`ledger`] | who should have received what, by when; pure |
//! | [`presence`] | member lists against who is connected |
//! | [`saturation`], [`lapses`] | whether this generator keeps up, and whether time itself does |
//! | [`places`] | how many connections a listener holds |
//! | [`metrics`], [`exposition`], [`telemetry`], [`report`] | what people and Prometheus see |
//! | [`server`] | the embedded plenary server |
//! | [`app`] | the only place that wires the parts |
//!
//! `config → schedule → fleet → user → driver → server`, and back:
//! `event (stamped where its bytes are read) → ledger → verdict → metrics → exposition`.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod app;
pub mod chat;
pub mod cli;
pub mod clock;
pub mod config;
pub mod drivers;
pub mod error;
pub mod exposition;
pub mod fleet;
pub mod lapses;
pub mod ledger;
pub mod marker;
pub mod metrics;
pub mod places;
pub mod presence;
pub mod report;
pub mod saturation;
pub mod schedule;
pub mod server;
pub mod store;
pub mod telemetry;
pub mod transport;
pub mod user;
