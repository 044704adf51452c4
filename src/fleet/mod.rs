//! The fleet of users: the ramp, the dispatch of intents, and the supervisor that owns every user's task. It
//! knows no protocol.

pub mod dispatch;
pub mod ramp;
pub mod workers;
