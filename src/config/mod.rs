//! What was typed ([`settings`], from three [`layers`]), and what it means ([`plan`]).
//!
//! Knows flags, variables and TOML, but neither sockets nor users.

mod connection_settings;
pub mod entry;
pub mod environment;
mod file;
pub mod layered;
pub mod layers;
pub mod plan;
pub mod settings;
mod target_settings;
mod traffic_settings;
pub mod value;

pub use environment::Environment;
pub use layers::Layers;
pub use plan::Plan;
