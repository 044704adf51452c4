//! How bytes get to a server and back, for all drivers: names, TCP, TLS, HTTP/1.1, websockets.
//!
//! It knows cookies, redirects, frames and how a connection ends; it knows no chat protocol.
//!
//! | file | what it is for |
//! | --- | --- |
//! | [`ConnectionOptions`] | what a user asks of connections |
//! | [`endpoint`] | where a connection goes |
//! | [`dial`] | TCP and TLS connections, source addresses, the order of addresses |
//! | [`proxy`], [`no_proxy`] | tunnels through an HTTP proxy, and which servers need none |
//! | [`stream`] | a connection's stream, bare or under TLS |
//! | `exchange` | a request behind whose answer the stream is taken back from HTTP |
//! | [`resolve`] | names: the hosts file and DNS |
//! | [`tls`] | the one TLS configuration |
//! | [`errors`] | errors of the system and of libraries as failure kinds |
//! | [`watched`] | how an answer begins, before it is parsed |
//! | [`spans`] | requests and handshakes as parts of traces |
//! | [`transcript`] | what was said, for `check`, which looks at single users |
//! | [`http`] | one user's requests |
//! | [`ws`] | the client side of RFC 6455 |

pub mod dial;
pub mod endpoint;
pub mod errors;
mod exchange;
pub mod http;
pub mod no_proxy;
mod options;
pub mod proxy;
pub mod resolve;
pub mod spans;
pub mod stream;
pub mod tls;
pub mod transcript;
pub mod watched;
pub mod ws;

pub use self::options::ConnectionOptions;
pub(crate) use self::spans::TRACEPARENT;
pub use self::spans::{Trace, Untraced};
pub use self::transcript::{Said, Transcript};

/// How the rig names itself to servers.
pub const USER_AGENT: &str = concat!("soakrig/", env!("CARGO_PKG_VERSION"));

/// The largest head of an answer, and the largest piece of a body, in bytes. Chrome takes 256 kB;
/// with thousands of users at once that is too much, and servers seldom send over 32 kB.
pub(crate) const HEAD_LIMIT: usize = 64 << 10;

/// The most headers in an answer.
pub(crate) const HEADER_COUNT_LIMIT: usize = 256;
