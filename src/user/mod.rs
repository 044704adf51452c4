//! One person's life: sign in, open the event, hold a socket, chat, leave, come back.
//!
//! A life decides when; its driver knows how. What it sees goes to the ledger, the roster
//! and the metrics of the [`World`] it lives in.

mod backoff;
mod beats;
mod breakout;
mod calls;
mod ear;
mod ending;
mod life;
mod open;
mod sessions;
mod sign_in;
mod spans;
mod stay;
mod steps;
mod texts;
mod world;

pub use life::live;
pub use sessions::Sessions;
pub use texts::Texts;
pub use world::{Crowd, Habits, Limits, World};
