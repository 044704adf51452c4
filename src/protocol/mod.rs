//! What a chat protocol must be able to do for a user.
//!
//! A driver turns steps (sign up, open the room, connect, chat) into requests and frames,
//! and what comes back into [`Event`]s and [`Failure`]s. It knows no schedule, no ledger
//! and no metrics; what it may tell about single HTTP requests goes to a [`Probe`].
//! A [`Protocol`] is what is known before there is a target; it makes the driver for one.

mod decode_cache;
mod keepalive;
mod settings;

use std::future::Future;
use std::net::IpAddr;

pub use self::decode_cache::DecodeCache;
pub use self::keepalive::{Keepalive, SignOfLife};
pub use self::settings::{Capabilities, DriverSettings, SetupError};
use crate::clock::Stamp;
use crate::marker::Decoded;
use crate::model::{
    Account, Failure, FailureKind, FrameKind, FrameSizes, MemberChange, SenderId, SentKind, Vocabulary,
};
pub use crate::transport::http::{IDLE_LIMIT, Probe, Session, SessionUser};
pub use crate::transport::ws::socket::{Ended, Progress};
pub use crate::transport::{Said, Trace, Transcript, Untraced};

/// What the room's page says to a signed-in user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomPage {
    /// How the server names the user: the sender of its own chats.
    pub user_id: SenderId,
    /// Side rooms that this user may join now; none is normal.
    pub side_rooms: Vec<SideRoomId>,
    /// How many may be present at a time, if the room has a limit.
    pub capacity: Option<u64>,
    /// Size of the page in bytes.
    pub page_bytes: usize,
}

/// The number of a side room: of a second, temporary room that some protocols have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SideRoomId(pub u64);

/// What a connection tells its user: what one whole frame from the server means, or that it has joined.
/// It owns nothing, so that it is copied and dropped for free.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Event<'a> {
    /// From here on this user receives the room's messages. Told once for a connection, by itself:
    /// if a frame says so, this comes first and the frame's own meaning behind it.
    Joined,
    /// A member list came.
    Members(Members<'a>),
    /// A message that a user sent, with what its marker looks like.
    Message {
        /// The sender, [`SenderId::NONE`] where the frame names none.
        sender: SenderId,
        /// The marker found in the text, if any.
        decoded: Decoded,
        /// Whether it is history that the server sends again, by the protocol's own mark.
        replay: bool,
    },
    /// A refusal of a side room (`Declined`), or an `error` frame.
    Refused(&'a Failure),
    /// The server did not take the message that was handed over last: it answers each by itself.
    MessageRefused(&'a Failure),
    /// The side rooms changed; these may be joined now.
    SideRooms(&'a [SideRoomId]),
    /// Anything else that only counts.
    Other,
    /// A frame that could not be understood, and what is left of the marker in it, if it holds one.
    Malformed {
        /// `Corrupt`, or `None` where the text holds no marker.
        decoded: Decoded,
    },
}

/// A presence list, not parsed yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Members<'a> {
    /// The frame's text.
    pub text: &'a str,
    /// What it says of those that it names.
    pub change: MemberChange,
}

/// A frame, or an event without a frame, as it is handed to the user's loop.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Received<'a> {
    /// When its last bytes were read from the socket, before any parsing.
    pub at: Stamp,
    /// What kind of frame it is, for counting; `None` with [`Event::Joined`], which is no frame.
    pub kind: Option<FrameKind>,
    /// Its meaning.
    pub event: Event<'a>,
}

/// A frame to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outgoing<'a> {
    /// A chat of this text.
    Chat(&'a str),
    /// The protocol's own sign of life.
    Heartbeat,
    /// A websocket ping.
    Ping,
}

impl Outgoing<'_> {
    /// The frame's kind, for counting.
    #[must_use]
    pub fn kind(&self) -> SentKind {
        match self {
            Self::Chat(_) => SentKind::Chat,
            Self::Heartbeat => SentKind::Heartbeat,
            Self::Ping => SentKind::Ping,
        }
    }
}

/// Whether a message can be handed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// Now.
    Ready,
    /// Once [`drive`](Connection::drive) has returned [`Progress::Written`].
    Pending,
    /// Not this one: it could not have reached the server.
    Failed(Failure),
}

/// An open socket.
///
/// One frame of the user's is in writing at a time, beside control frames (pongs, close),
/// which have a small bounded room of their own.
pub trait Connection: Send + 'static {
    /// Takes one frame to write; it is written by [`drive`](Self::drive).
    /// Returns false, and takes nothing, while the frame before it is still in writing.
    fn begin(&mut self, frame: Outgoing<'_>) -> bool;

    /// Whether a message can be handed over now; asked before each. Where messages have a carrier of their
    /// own, such as a request, this opens it.
    fn prepare(&mut self) -> Readiness {
        Readiness::Ready
    }

    /// Whether the message that was handed over last has no answer yet, where the server answers each by
    /// itself.
    fn awaits_answer(&self) -> bool {
        false
    }

    /// Whether a frame given to `begin` is not yet wholly written.
    fn is_writing(&self) -> bool;

    /// Begins an orderly close with code 1000; `drive` then ends when the server has answered
    /// or ended the stream. The caller bounds the time.
    fn close(&mut self);

    /// Has the connection reset when it is dropped, which the caller does next, so that the server reads an
    /// error and no end. By default it just ends.
    fn reset_when_dropped(&mut self) {}

    /// How it is kept open. Asked when it is opened, and again once the user has joined.
    fn keepalive(&self) -> Keepalive {
        Keepalive::default()
    }

    /// Why the user has not joined, once the connection has ended before; `None` leaves it to how the
    /// connection ended.
    fn failure(&mut self) -> Option<Failure> {
        None
    }

    /// Writes what is due, reads once, and gives every whole frame to `sink` before it returns.
    /// Cancel-safe: dropping the future loses nothing. The caller drops it after every poll that is
    /// pending, so what wakes the task (a timer, say) is kept in the connection, not in the future.
    fn drive<F>(&mut self, sink: F) -> impl Future<Output = Progress> + Send
    where
        F: FnMut(Received<'_>) + Send;
}

/// A protocol before it has a target: what is known when a run is set up.
pub trait Protocol: Send + Sync + 'static {
    /// Speaks it to one target.
    type Driver: Driver;

    /// Its name, as `--protocol` takes it and metrics show it.
    fn name(&self) -> &str;

    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// How large its frames are, for the forecast.
    fn frame_sizes(&self) -> FrameSizes {
        FrameSizes::ASSUMED
    }

    /// Its own names of failures and frames, beside the common ones.
    fn vocabulary(&self) -> Vocabulary {
        Vocabulary::COMMON
    }

    /// Where its description says something, as `my.toml:31`; `key` names it as in `message.echo`. Where
    /// it does not say it, the place of what is around it; `None` where there is no description.
    fn place(&self, key: &str) -> Option<String> {
        let _ = key;
        None
    }

    /// The driver for one room on one server, used by all users. Nothing is connected yet.
    ///
    /// # Errors
    /// DriverSettings that cannot work, such as a URL of another scheme or a CA file that cannot be read.
    fn driver(&self, settings: DriverSettings) -> Result<Self::Driver, SetupError>;
}

/// A chat protocol, spoken to one target.
///
/// Every step has a timeout of its own inside; every failure is a value.
pub trait Driver: Send + Sync + 'static {
    /// Its sockets.
    type Connection: Connection;

    /// Creates the account. Class `NameTaken` where the name exists, `Final` where it is refused. Only
    /// protocols that state sign-up write this.
    fn sign_up(&self, who: &Account, session: &mut Session) -> impl Future<Output = Result<(), Failure>> + Send {
        let _ = (who, session);
        std::future::ready(Err(Failure::with(FailureKind::NotFound, "this protocol has no sign-up")))
    }

    /// Signs in to an existing account. Class `Final` where the server refuses the password, `Wait` where
    /// it wants no attempt for a while. Without it users need no account.
    fn log_in(&self, who: &Account, session: &mut Session) -> impl Future<Output = Result<(), Failure>> + Send {
        let _ = (who, session);
        std::future::ready(Ok(()))
    }

    /// Opens the room's page. Class `SignedOut` where the session is unknown, `HopelessAtStart` where
    /// the room is missing, closed or full.
    fn open(&self, session: &mut Session) -> impl Future<Output = Result<RoomPage, Failure>> + Send;

    /// Opens the room's socket, up to the 101.
    fn connect(&self, session: &mut Session) -> impl Future<Output = Result<Self::Connection, Failure>> + Send;

    /// Opens a connection to a side room. Class `Declined` where it is full. Only protocols that state
    /// side rooms write this.
    fn connect_side_room(
        &self,
        session: &mut Session,
        room: SideRoomId,
    ) -> impl Future<Output = Result<Self::Connection, Failure>> + Send {
        let _ = (session, room);
        std::future::ready(Err(Failure::with(FailureKind::NotFound, "this protocol has no side rooms")))
    }

    /// Deletes the signed-in account. Only protocols that state it write this.
    fn delete(&self, session: &mut Session) -> impl Future<Output = Result<(), Failure>> + Send {
        let _ = session;
        std::future::ready(Err(Failure::with(FailureKind::NotFound, "this protocol cannot delete accounts")))
    }

    /// Asks the target, without an account, whether the room is there and open.
    fn preflight(&self) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Reads a member list: `each` gets every member's id and username. `Malformed` where it
    /// is none; `each` may then have been called for some.
    ///
    /// # Errors
    /// The failure of a text that is no list. Only protocols that state member lists write this.
    fn members(&self, list: Members<'_>, each: impl FnMut(SenderId, &str)) -> Result<(), Failure> {
        let _ = (list, each);
        Err(Failure::with(FailureKind::Malformed, "this protocol has no member lists"))
    }

    /// The addresses that the server's name stands for now, in no order.
    fn addresses(&self) -> impl Future<Output = Result<Vec<IpAddr>, Failure>> + Send;
}
