//! The driver that a protocol file describes: its steps carried out, its rules applied to frames.
//!
//! | file | what it is for |
//! | --- | --- |
//! | `words` | the file's names for failures and frames |
//! | `shared` | file, target and user |
//! | `request` | requests over HTTP |
//! | `procedure` | where in a list of steps a connection is |
//! | `reader` | what messages of the websocket mean |
//! | `inbox` | what a connection makes of bytes, without the connection |
//! | `connection` | an open socket, from its first step to its last |
//! | `driver` | the steps of a user as the rest of soakrig knows them |

mod connection;
mod driver;
mod exec;
mod inbox;
mod noted;
mod post;
mod procedure;
mod reader;
mod request;
mod shared;
mod words;

pub use self::connection::FileConnection;
pub use self::driver::{FileDriver, FileProtocol};
pub use self::inbox::FileInbox;
