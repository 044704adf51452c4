//! The plan of a run: validated, with every default filled in.
//!
//! [`Draft`] turns the given options into a [`Task`]; child modules add the commands to it.

mod accounts;
mod build;
mod control_socket;
mod division;
mod files;
mod headers;
mod password;
mod plenaries;
mod protocol;
mod proxy;
mod resolved;
mod rooms;
mod rules;
mod task;
mod types;
mod users;

pub use build::Draft;
pub use division::Division;
pub use files::is_same_file;
pub use protocol::DEFAULT_PROTOCOL;
pub use resolved::ResolvedOption;
pub use task::{Check, Cleanup, Compare, Ctl, Demo, Health, Merge, ReportPage, Run, Target, Task};
pub use types::{Cache, CacheLocation, Logging, Messages, Plan, ProtocolChoice, Report, Timing, Traffic, Users};
