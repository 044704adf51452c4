//! Injected faults: the settings, when each fault fires, and an exact record.
//!
//! | file | what it is for |
//! | --- | --- |
//! | `settings`, `frequency` | what can be set, and how often it fires |
//! | `drift` | a server that slows down |
//! | `kinds` | every fault by name, and the counts |
//! | `injector` | the settings in force, for every task |
//! | `corruption` | what a corrupt chat looks like |
//! | `presence` | faults of member lists |
//! | `injection_log` | which delivery was hit, and what became of its connection |

pub(super) mod corruption;
pub(super) mod drift;
pub(super) mod frequency;
pub(super) mod injection_log;
pub(super) mod injector;
pub(super) mod kinds;
pub(super) mod presence;
pub(super) mod settings;

pub use drift::{DriftRate, InvalidDriftRate};
pub use frequency::{Frequency, InvalidFrequency};
pub use injection_log::Injection;
pub use injector::InvalidFault;
pub use kinds::Fault;
pub use settings::{ChatFaults, Faults, HttpFaults, PresenceFaults, Scope, SocketFaults};
