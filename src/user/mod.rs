//! One virtual user: sign in, open the room, hold a socket, chat, leave, come back.
//!
//! The user decides when; its driver knows how. It reports to the ledger, the roster and the metrics of its
//! [`RunContext`].

mod backoff;
mod context;
mod end_reason;
mod frame_handler;
mod room_connection;
mod rooms;
mod sessions;
mod side_room;
mod sign_in;
mod socket;
mod steps;
mod texts;
mod virtual_user;
mod wakeups;

pub use context::{Behaviour, Credentials, Limits, Parts, RunContext};
pub use rooms::{RoomState, Rooms, SameTag, are_told_apart};
pub use sessions::Sessions;
pub use socket::CLOSE_TIMEOUT;
pub use texts::{TextShape, Texts};
pub use virtual_user::run_user;
