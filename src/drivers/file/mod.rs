//! Protocol files: they describe in TOML how to speak to a server, without programming.
//!
//! [`parse`](parse::parse) reads a file into a [`Description`](description::Description) of
//! steps and rules, and refuses every mistake with its line and a remedy. Templates make the
//! texts that are sent; matchers and sources say what frames mean and where values stand in
//! them; [`classify`] applies the rules to frames, in their order of precedence.
//!
//! `client` carries the steps out. Everything else here is pure: no sockets, no clock, no files.

pub mod classify;
mod client;
pub mod description;
pub mod duration;
pub mod error;
pub mod expectation;
mod json;
mod keys;
pub mod lines;
pub mod look_back;
pub mod matcher;
mod names;
pub mod outcome;
pub mod parse;
mod pattern;
pub mod schema;
pub mod secrets;
mod shape;
pub mod shipped;
pub mod source;
pub mod template;
mod xml;

pub use client::{FileConnection, FileDriver, FileInbox, FileProtocol};
pub use names::ParseOptions;
