//! HTTP/1.1 for users who share nothing: a jar and connections for each of them.
//!
//! It knows no forms and no application.
//!
//! | file | what it is for |
//! | --- | --- |
//! | `origin` | whom requests go to |
//! | `session` | what remains of a user between requests |
//! | [`cookies`] | a user's jar |
//! | [`captures`] | named values of answers, such as tokens |
//! | `connection` | one connection, one request after the other |
//! | `ask` | one request and its answer |
//! | `browser`, [`body`] | requests, bounded and reported; where what they bring is kept |
//! | `asked` | a request and its answer, for a transcript |
//! | `receive` | bodies, unpacked and bounded |
//! | `redirect` | where an answer sends a user |
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
