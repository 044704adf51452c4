//! Who is connected, and each user's slot for its next intent. Knows no protocol and no ledger.

mod roster;
pub mod slot;

pub use roster::Roster;
