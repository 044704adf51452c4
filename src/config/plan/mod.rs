//! What a run is to do: validated, with every default filled in.
//!
//! [`Draft`] makes a [`Task`] of what was given; the children add its commands to it.

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
