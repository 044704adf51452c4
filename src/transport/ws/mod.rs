//! The client side of RFC 6455 for many sockets: the upgrade, and frames.
//!
//! It knows bytes, frames and how a connection ends; it knows nothing of any chat protocol.
//!
//! | file | what it is for |
//! | --- | --- |
//! | [`handshake`] | the upgrade, up to the 101 |
//! | [`extension`] | which compression was agreed on |
//! | [`frame`] | one frame's header, and frames as we write them |
//! | `inflate`, `deflate` | compressed messages, theirs and ours |
//! | [`partial_message`] | messages that have not come whole, and the memory they share |
//! | [`reader`] | bytes in, whole messages out |
//! | [`recent`] | texts that were read a moment ago |
//! | [`writer`] | one frame in writing at a time |
//! | [`socket`] | reader, writer and stream as one connection |

mod deflate;
pub mod extension;
pub mod frame;
pub mod handshake;
mod inflate;
pub mod partial_message;
pub mod reader;
pub mod recent;
pub mod socket;
pub mod writer;
