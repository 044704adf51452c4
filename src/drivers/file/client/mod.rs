//! The driver that a protocol file describes: its steps carried out, its rules applied to frames.
//!
//! | file | what it is for |
//! | --- | --- |
//! | `words` | the file's names for failures and frames |
//! | `shared` | file, target and user |
//! | `request` | requests over HTTP |
//! | `procedure` | the progress of a connection in a list of steps |
//! | `reader` | the meanings of websocket messages |
//! | `inbox` | the processing of bytes without a connection |
//! | `connection` | an open socket, from its first step to its last |
//! | `driver` | the implementation of the driver |

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
