//! The state that all users of a run share: the file, the target, and its connections.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use tokio::sync::Semaphore;
use url::Url;

use super::words::Words;
use crate::clock::Clock;
use crate::drivers::file::description::Description;
use crate::drivers::file::outcome::Outcome;
use crate::drivers::file::template::{Captured, Values};
use crate::model::{AccountRow, Failure, Secret};
use crate::protocol::{Session, SessionUser, SetupError, Trace, Transcript};
use crate::transport::dial::Dialer;
use crate::transport::http::{Browser, Origin};
use crate::transport::ws::handshake::Options;

/// The file, the target, and its connections.
pub(super) struct Shared {
    pub(super) description: Arc<Description>,
    pub(super) words: Arc<Words>,
    pub(super) target: Target,
    pub(super) browser: Browser,
    pub(super) dialer: Arc<Dialer>,
    pub(super) sockets: Options,
    pub(super) clock: Clock,
    pub(super) trace: Arc<dyn Trace>,
    /// Observer of the traffic, if there is one.
    pub(super) transcript: Option<Arc<dyn Transcript>>,
    pub(super) seeds: AtomicU64,
    /// Limits the programs that run at once.
    pub(super) programs: Arc<Semaphore>,
    /// Timeout of steps for which the file sets none.
    pub(super) timeout: Duration,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("file", &self.description.name).finish_non_exhaustive()
    }
}

impl Shared {
    /// The failure named by the file, with what was seen.
    pub(super) fn failure(&self, outcome: &Outcome, detail: &str) -> Failure {
        Failure::with(self.words.failure(outcome), detail).classed(outcome.class)
    }
}

/// The server and the room.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) origin: Origin,
    /// The base URL without a trailing slash.
    base: String,
    ws: String,
    pub(super) room: String,
    run: String,
}

impl Target {
    pub(super) fn new(base: &Url, room: String, run: String) -> Result<Self, SetupError> {
        let refuse = |reason| SetupError::Url { reason };
        if !matches!(base.scheme(), "http" | "https") {
            return Err(refuse("it must begin with http:// or https://"));
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(refuse("it must not hold a username or a password"));
        }
        let origin = Origin::of(base).map_err(|_| refuse("its host cannot be sent in a header"))?;
        let origin = origin.ok_or_else(|| refuse("it has no host"))?;
        let base = format!("{}{}", base.origin().ascii_serialization(), base.path().trim_end_matches('/'));
        let ws = base.replacen("http", "ws", 1);
        Ok(Self { origin, base, ws, room, run })
    }

    /// The URL of a request, from a path of the target or a whole URL of the same origin.
    pub(super) fn url(&self, text: &str) -> Result<Url, String> {
        let whole = if text.starts_with('/') { format!("{}{text}", self.base) } else { text.to_owned() };
        let url = Url::parse(&whole).map_err(|e| format!("not a URL: {e}"))?;
        match Url::parse(&self.base) {
            Ok(base) if base.origin() == url.origin() => Ok(url),
            _ => Err("a URL of a server other than the target".to_owned()),
        }
    }
}

/// One user: its identity and captured values.
#[derive(Debug, Clone, Default)]
pub(super) struct Person {
    username: String,
    password: Option<Secret>,
    index: u64,
    row: AccountRow,
    /// The room; `None`: the target's.
    room: Option<Arc<str>>,
    pub(super) session: Captured,
    pub(super) connection: Captured,
    /// The number of the latest send.
    pub(super) seq: Option<u64>,
}

impl Person {
    /// The user of a session, with what log-in captured.
    pub(super) fn of(session: &Session, description: &Description) -> Self {
        let mut captured = Captured::default();
        for (slot, name) in (0..).zip(&description.session_captures) {
            if let Some(text) = session.captures.get(name) {
                let _ = captured.set(slot, text);
            }
        }
        let Some(SessionUser { account, index, row, room }) = session.user.clone() else {
            return Self { session: captured, ..Self::default() };
        };
        let (username, password) = (account.username, Some(account.password));
        Self { username, password, index, row, room, session: captured, ..Self::default() }
    }

    /// The values of templates.
    pub(super) fn values<'a>(&'a self, target: &'a Target, text: Option<&'a str>) -> Values<'a> {
        static NOTHING: Captured = Captured::new();
        Values {
            user: &self.username,
            password: self.password.as_ref().map_or("", Secret::reveal),
            index: self.index,
            room: self.room.as_deref().unwrap_or(&target.room),
            base: &target.base,
            ws: &target.ws,
            run: &target.run,
            text,
            seq: self.seq,
            columns: self.row.values(),
            session: &self.session,
            connection: &self.connection,
            local: &NOTHING,
        }
    }

    /// Stores the captures of sign-up and log-in in the session.
    pub(super) fn keep(&self, description: &Description, session: &mut Session) -> Result<(), Failure> {
        for (slot, name) in (0..).zip(&description.session_captures) {
            if let Some(text) = self.session.get(slot) {
                session.captures.set(name, text).map_err(|e| {
                    Failure::with(crate::model::FailureKind::Malformed, format!("the value of {name}: {e}"))
                })?;
            }
        }
        Ok(())
    }
}
