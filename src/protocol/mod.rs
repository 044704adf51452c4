//! The interface of a chat protocol.
//!
//! A driver turns steps (sign up, open the room, connect, chat) into requests and frames, and answers into
//! [`Event`]s and [`Failure`]s. It knows no schedule, ledger or metrics; it reports single HTTP requests to a
//! [`Probe`].
//! A [`Protocol`] is what is known before there is a target; it creates the driver for one.

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

/// The contents of the room's page for a signed-in user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomPage {
    /// The server's name of the user, as the sender of its own chats.
    pub user_id: SenderId,
    /// Side rooms that this user may join now; often empty.
    pub side_rooms: Vec<SideRoomId>,
    /// Maximum number of users in the room, if it has a limit.
    pub capacity: Option<u64>,
    /// Size of the page in bytes.
    pub page_bytes: usize,
}

/// The number of a side room: a second, temporary room that some protocols have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SideRoomId(pub u64);

/// An event of a connection: the meaning of one whole frame from the server, or that the user has joined. It owns
/// nothing, so copying and dropping it costs nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Event<'a> {
    /// From here on this user receives the room's messages. Sent once per connection, separately: if a frame says so,
    /// this comes first, and the frame's own meaning follows.
    Joined,
    /// A member list arrived.
    Members(Members<'a>),
    /// A message of a user, with its decoded marker.
    Message {
        /// The sender; [`SenderId::NONE`] if the frame names none.
        sender: SenderId,
        /// The marker found in the text, if any.
        decoded: Decoded,
        /// Whether the protocol marks it as history that the server sends again.
        replay: bool,
    },
    /// A refusal of a side room (`Declined`), or an `error` frame.
    Refused(&'a Failure),
    /// The server refused the message that was handed over last; only with protocols that answer each message.
    MessageRefused(&'a Failure),
    /// The side rooms changed; these may be joined now.
    SideRooms(&'a [SideRoomId]),
    /// Anything else that only counts.
    Other,
    /// A frame that could not be understood, with what is left of the marker in it, if any.
    Malformed {
        /// `Corrupt`, or `None` if the text holds no marker.
        decoded: Decoded,
    },
}

/// A presence list, not parsed yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Members<'a> {
    /// The frame's text.
    pub text: &'a str,
    /// The meaning of the members that it names.
    pub change: MemberChange,
}

/// A frame, or an event without a frame, as handed to the user's loop.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Received<'a> {
    /// When its last bytes were read from the socket, before any parsing.
    pub at: Stamp,
    /// The kind of the frame, for counting; `None` with [`Event::Joined`], which is not a frame.
    pub kind: Option<FrameKind>,
    /// Its meaning.
    pub event: Event<'a>,
}

/// A frame to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outgoing<'a> {
    /// A chat with this text.
    Chat(&'a str),
    /// The protocol's own keepalive.
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
    /// This one cannot be sent, and could not have reached the server.
    Failed(Failure),
}

/// An open socket.
///
/// One frame of the user is in writing at a time, besides control frames (pongs, close), which have a small bounded
/// buffer of their own.
pub trait Connection: Send + 'static {
    /// Takes one frame, which [`drive`](Self::drive) writes.
    /// Returns false, and takes nothing, while the previous frame is still in writing.
    fn begin(&mut self, frame: Outgoing<'_>) -> bool;

    /// Whether a message can be handed over now; called before each. If each message has its own carrier, such as a
    /// request, this opens it.
    fn prepare(&mut self) -> Readiness {
        Readiness::Ready
    }

    /// Whether the message that was handed over last still has no answer; only with protocols that answer each message.
    fn awaits_answer(&self) -> bool {
        false
    }

    /// Whether a frame given to `begin` is not wholly written yet.
    fn is_writing(&self) -> bool;

    /// Begins a graceful close with code 1000; `drive` then ends when the server has answered or ended the stream. The
    /// caller bounds the time.
    fn close(&mut self);

    /// Makes dropping the connection, which the caller does next, reset it, so that the server reads an error rather
    /// than an end. By default it just ends.
    fn reset_when_dropped(&mut self) {}

    /// How it is kept open. Called when it is opened, and again once the user has joined.
    fn keepalive(&self) -> Keepalive {
        Keepalive::default()
    }

    /// Why the user did not join, if the connection ended before; `None` if how it ended says everything.
    fn failure(&mut self) -> Option<Failure> {
        None
    }

    /// Writes what is due, reads once, and gives every whole frame to `sink` before it returns. Cancel-safe: dropping
    /// the future loses nothing. The caller drops it after every pending poll, so anything that wakes the task, such as
    /// a timer, belongs in the connection, not in the future.
    fn drive<F>(&mut self, sink: F) -> impl Future<Output = Progress> + Send
    where
        F: FnMut(Received<'_>) + Send;
}

/// A protocol without a target: what is known when a run is set up.
pub trait Protocol: Send + Sync + 'static {
    /// The driver for one target.
    type Driver: Driver;

    /// Its name, as `--protocol` takes it and metrics show it.
    fn name(&self) -> &str;

    /// The protocol's capabilities.
    fn capabilities(&self) -> Capabilities;

    /// Sizes of its frames, for the forecast.
    fn frame_sizes(&self) -> FrameSizes {
        FrameSizes::ASSUMED
    }

    /// Its own names of failures and frames, besides the common ones.
    fn vocabulary(&self) -> Vocabulary {
        Vocabulary::COMMON
    }

    /// The place of a key in its description, such as `my.toml:31` for `message.echo`. If the key is not there, the
    /// place of the table around it; `None` if there is no description.
    fn place(&self, key: &str) -> Option<String> {
        let _ = key;
        None
    }

    /// The driver for one room on one server, used by all users. Nothing is connected yet.
    ///
    /// # Errors
    /// Settings that cannot work, such as a URL of another scheme or a CA file that cannot be read.
    fn driver(&self, settings: DriverSettings) -> Result<Self::Driver, SetupError>;
}

/// A chat protocol, spoken to one target.
///
/// Every step has its own timeout inside, and every failure is a value.
pub trait Driver: Send + Sync + 'static {
    /// Its sockets.
    type Connection: Connection;

    /// Creates the account. Fails with class `NameTaken` if the name exists, `Final` if it is refused. Only protocols
    /// with sign-up implement this.
    fn sign_up(&self, who: &Account, session: &mut Session) -> impl Future<Output = Result<(), Failure>> + Send {
        let _ = (who, session);
        std::future::ready(Err(Failure::with(FailureKind::NotFound, "this protocol has no sign-up")))
    }

    /// Signs in to an existing account. Fails with class `Final` if the server refuses the password, `Wait` if it wants
    /// no attempt for a while. Protocols without accounts need not implement this.
    fn log_in(&self, who: &Account, session: &mut Session) -> impl Future<Output = Result<(), Failure>> + Send {
        let _ = (who, session);
        std::future::ready(Ok(()))
    }

    /// Opens the room's page. Fails with class `SignedOut` if the session is unknown, `HopelessAtStart` if the room is
    /// missing, closed or full.
    fn open(&self, session: &mut Session) -> impl Future<Output = Result<RoomPage, Failure>> + Send;

    /// Opens the room's socket, up to the 101.
    fn connect(&self, session: &mut Session) -> impl Future<Output = Result<Self::Connection, Failure>> + Send;

    /// Opens a connection to a side room. Fails with class `Declined` if it is full. Only protocols with side rooms
    /// implement this.
    fn connect_side_room(
        &self,
        session: &mut Session,
        room: SideRoomId,
    ) -> impl Future<Output = Result<Self::Connection, Failure>> + Send {
        let _ = (session, room);
        std::future::ready(Err(Failure::with(FailureKind::NotFound, "this protocol has no side rooms")))
    }

    /// Deletes the signed-in account. Only protocols that can delete accounts implement this.
    fn delete(&self, session: &mut Session) -> impl Future<Output = Result<(), Failure>> + Send {
        let _ = session;
        std::future::ready(Err(Failure::with(FailureKind::NotFound, "this protocol cannot delete accounts")))
    }

    /// Checks, without an account, whether the room exists and is open.
    fn preflight(&self) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Reads a member list: calls `each` with every member's id and username.
    ///
    /// # Errors
    /// `Malformed` if the text is not a list; `each` may then have been called for some members. Only protocols with
    /// member lists implement this.
    fn members(&self, list: Members<'_>, each: impl FnMut(SenderId, &str)) -> Result<(), Failure> {
        let _ = (list, each);
        Err(Failure::with(FailureKind::Malformed, "this protocol has no member lists"))
    }

    /// The current addresses of the server's name, in no particular order.
    fn addresses(&self) -> impl Future<Output = Result<Vec<IpAddr>, Failure>> + Send;
}
