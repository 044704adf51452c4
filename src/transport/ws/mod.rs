//! The client side of RFC 6455 for many sockets: the upgrade, and frames.
//!
//! It knows bytes, frames and the ends of connections, but no chat protocol.
//!
//! | file | what it is for |
//! | --- | --- |
//! | [`handshake`] | the upgrade, up to the 101 |
//! | [`extension`] | the terms of compression |
//! | [`frame`] | the header of a frame, and the encoding of ours |
//! | `inflate`, `deflate` | compression of the server's messages and of ours |
//! | [`partial_message`] | incomplete messages, and the memory that they share |
//! | [`reader`] | bytes in, whole messages out |
//! | [`recent`] | recently read texts |
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
