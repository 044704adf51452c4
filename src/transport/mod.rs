//! How bytes get to a server and back, for all drivers: names, TCP, TLS, HTTP/1.1, websockets.
//!
//! It knows cookies, redirects, frames and how a connection ends; it knows no chat protocol.
//!
//! | file | what it is for |
//! | --- | --- |
//! | [`dial`] | TCP and TLS connections, source addresses, names |
//! | [`tls`] | the one TLS configuration |
//! | [`faults`] | errors of the system and of libraries as failure kinds |
//! | [`watched`] | how an answer begins, before it is parsed |
//! | [`spans`] | requests and handshakes as parts of traces |
//! | [`http`] | one user's requests |
//! | [`ws`] | the client side of RFC 6455 |

pub mod dial;
pub mod faults;
pub mod http;
pub mod spans;
pub mod tls;
pub mod watched;
pub mod ws;

pub(crate) use self::spans::TRACEPARENT;
pub use self::spans::{Trace, Untraced};

/// How the rig names itself to servers.
pub const USER_AGENT: &str = concat!("soakrig/", env!("CARGO_PKG_VERSION"));
