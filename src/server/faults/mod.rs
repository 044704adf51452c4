//! Faults on purpose: what can be set, when it strikes, and the exact account of it.
//!
//! | file | what it is for |
//! | --- | --- |
//! | `knobs`, `dose` | what can be set, and how often it strikes |
//! | `kinds` | every fault by name, and the counts |
//! | `desk` | the knobs as they are now, for every task |
//! | `deliveries`, `held`, `damage` | faults of chats, delivery by delivery |
//! | `lies` | faults of member lists |
//! | `record` | which delivery was struck, and what became of its connection |

pub(super) mod damage;
pub(super) mod deliveries;
pub(super) mod desk;
pub(super) mod dose;
pub(super) mod held;
pub(super) mod kinds;
pub(super) mod knobs;
pub(super) mod lies;
pub(super) mod record;

pub use desk::BadKnob;
pub use dose::{Dose, UnknownDose};
pub use kinds::Fault;
pub use knobs::{ChatKnobs, Faults, HttpKnobs, PresenceKnobs, Scope, SocketKnobs};
pub use record::Injection;
