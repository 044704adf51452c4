//! Who is connected, and each user's slot for its next intent. Knows no protocol and no ledger.

pub mod recovery;
mod roster;
pub mod slot;

pub use roster::Roster;
