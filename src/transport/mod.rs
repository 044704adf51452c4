//! The transport of all drivers: names, TCP, TLS, HTTP/1.1, websockets.
//!
//! It knows cookies, redirects, frames and the ends of connections, but no chat protocol.
//!
//! | file | what it is for |
//! | --- | --- |
//! | [`ConnectionOptions`] | the connection options of the command line |
//! | [`endpoint`] | host, port and TLS of a server |
//! | [`dial`] | TCP and TLS connections, source addresses, the order of addresses |
//! | [`proxy`], [`no_proxy`] | tunnels through an HTTP proxy, and which servers need none |
//! | [`stream`] | a connection's stream, bare or under TLS |
//! | `exchange` | a request after which the stream is taken back from HTTP |
//! | [`resolve`] | names: the hosts file and DNS |
//! | [`tls`] | the one TLS configuration |
//! | [`errors`] | errors of the system and of libraries as failure kinds |
//! | [`watched`] | the first bytes of an answer, before it is parsed |
//! | [`spans`] | requests and handshakes as parts of traces |
//! | [`transcript`] | the traffic of single users, for `check` |
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

/// The `User-Agent` of all requests.
pub const USER_AGENT: &str = concat!("soakrig/", env!("CARGO_PKG_VERSION"));

/// Largest head of an answer, and largest piece of a body, in bytes. Chrome takes 256 kB, which is too much for
/// thousands of users at once; servers seldom send over 32 kB.
pub(crate) const HEAD_LIMIT: usize = 64 << 10;

/// Maximum number of headers in an answer.
pub(crate) const HEADER_COUNT_LIMIT: usize = 256;
