//! HTTP/1.1 for users who share nothing: each has its own jar and connections.
//!
//! It knows no forms and no application.
//!
//! | file | what it is for |
//! | --- | --- |
//! | `origin` | the origin that requests go to |
//! | `session` | the state of a user between requests |
//! | [`cookies`] | a user's jar |
//! | [`captures`] | named values of answers, such as tokens |
//! | `connection` | one connection, one request after the other |
//! | `ask` | one request and its answer |
//! | `browser`, [`body`] | requests, bounded and reported; memory for bodies |
//! | `asked` | a request and its answer, for a transcript |
//! | `receive` | bodies, decompressed and bounded |
//! | `redirect` | the target of a redirect |
//! | [`html`] | pages, parsed within limits |
//! | [`mask`] | secrets that a server repeats |

mod ask;
mod asked;
pub mod body;
mod browser;
pub mod captures;
mod connection;
pub mod cookies;
pub mod html;
pub mod mask;
mod origin;
mod receive;
mod redirect;
mod session;

pub use self::ask::{Ask, CustomRequest, Field, Page};
pub(super) use self::browser::with_headers;
pub use self::browser::{Browser, BrowserSettings, Probe};
pub use self::connection::{IDLE_LIMIT, Line};
pub use self::origin::Origin;
pub use self::session::{Kept, Session, SessionUser};
