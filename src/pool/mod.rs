//! The states of all users, and each user's slot for its next intent. Knows neither protocol nor ledger.

pub mod recovery;
mod roster;
pub mod slot;

pub use roster::Roster;
