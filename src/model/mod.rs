//! The vocabulary every part shares: who chats, what may happen, what may go wrong.
//!
//! Pure data, no I/O and no clock. Each enum that becomes a metric label derives its
//! label text from its variant name, so a label set is closed by construction.

use strum::{EnumCount, IntoStaticStr, VariantArray};

/// A user's place in this generator's part of the range: dense, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserIndex(pub u32);

impl UserIndex {
    /// The index as a subscript.
    #[must_use]
    pub fn get(self) -> usize {
        self.0 as usize
    }
}

/// One simulated person's credentials.
#[derive(Clone)]
pub struct Account {
    /// The username, the template with the user's number in it.
    pub username: String,
    /// The password; never printed, see the `Debug` implementation.
    pub password: Secret,
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Account({})", self.username)
    }
}

/// A text that must not reach a log, an error, a metric or a trace.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(std::sync::Arc<str>);

impl Secret {
    /// Wraps a secret text.
    #[must_use]
    pub fn new(text: impl Into<std::sync::Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The text itself; call it only where it goes to the server or to a 0600 file.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Declares a closed set that is used as a metric label.
macro_rules! labels {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, IntoStaticStr, VariantArray, EnumCount)]
        #[strum(serialize_all = "snake_case")]
        pub enum $name { $($(#[$vmeta])* $variant),+ }

        impl $name {
            /// The label's text.
            #[must_use]
            pub fn as_str(self) -> &'static str { self.into() }
            /// Every member, in order of declaration.
            pub const ALL: &'static [Self] = <Self as VariantArray>::VARIANTS;
        }
    };
}

mod failure;
mod limit;
mod sender;
mod shard;

pub use failure::{Failure, FailureClass, FailureKind, turns_direction};
pub use limit::{Limit, Thresholds};
pub use sender::SenderId;
pub use shard::Shard;

labels! {
    /// What the schedule asks a connected user to do.
    Action {
        /// Send one chat.
        Chat,
        /// Leave the event, stay away a while, come back.
        Leave,
        /// Join a breakout, stay a while, leave it.
        Breakout,
    }
}

labels! {
    /// Which of a user's two sockets.
    Socket { /// The event's own.
        Plenary, /// A breakout room's.
        Breakout }
}

labels! {
    /// Where a user is in life; the gauge `soakrig_users` sums to the target over these.
    UserState {
        /// Not started yet, or stopped.
        Waiting,
        /// Signing up or logging in, or waiting for the sign-in limit.
        SigningIn,
        /// Opening the event page and the socket, up to the first presence frame.
        Connecting,
        /// In the room.
        Connected,
        /// Left on purpose; will come back.
        Away,
        /// Waiting to try again after a failure.
        BackingOff,
        /// Given up for good: the server refused the account.
        Failed,
    }
}

labels! {
    /// Where in its course a run is.
    RunPhase {
        /// Users are being started.
        Ramp,
        /// The load is held.
        Hold,
        /// Sending has stopped, deliveries settle.
        Settle,
    }
}

labels! {
    /// Stages of a user's work, each with its own error rate.
    Stage { /// Sign-up form.
        Signup, /// Log-in form.
        Login, /// Event page.
        Event, /// Socket handshake up to the first presence frame.
        Connect, /// A chat, leave or breakout intent.
        Send, /// A frame read.
        Receive, /// A delivery's verdict.
        Delivery }
}

labels! {
    /// HTTP steps of the protocol.
    Step { /// Sign-up form, read and posted.
        Signup, /// Log-in form, read and posted.
        Login, /// Event page.
        Event, /// Breakout page.
        Breakout, /// Account deletion.
        Delete }
}

labels! {
    /// What an HTTP request came to.
    HttpOutcome {
        /// What the step hoped for.
        Ok,
        /// An answer of the application that says no: form refused, redirected to log-in, over capacity.
        Refused,
        /// Any other 4xx.
        ClientError,
        /// 5xx.
        ServerError,
        /// An answer that could not be understood: unexpected status, page without its fields.
        Unexpected,
        /// No answer within the timeout.
        Timeout,
        /// The connection failed before an answer.
        Transport,
    }
}

labels! {
    /// Who ended a connection.
    Initiator { /// This user, on purpose.
        User, /// The server, by a close frame or an orderly end of stream.
        Server, /// Neither: reset, timeout, silence.
        Network }
}

labels! {
    /// How a connection ended.
    EndReason {
        /// The user left, or the breakout stay was over.
        Left,
        /// The run stopped.
        Stopped,
        /// Close code 1000 from the server.
        Normal,
        /// Close code 1001.
        GoingAway,
        /// Close code 1002.
        ProtocolError,
        /// Close code 1003.
        UnsupportedData,
        /// Close code 1007.
        InvalidPayload,
        /// Close code 1008.
        PolicyViolation,
        /// Close code 1009.
        MessageTooBig,
        /// Close code 1011.
        InternalError,
        /// Close code 1012.
        ServiceRestart,
        /// Close code 1013.
        TryAgainLater,
        /// Close codes 4000 to 4999.
        Application,
        /// Any other close code.
        OtherCode,
        /// A close frame without a code.
        NoCode,
        /// End of stream without a close frame.
        NoCloseFrame,
        /// Connection reset.
        Reset,
        /// Nothing read for too long.
        Silent,
        /// A frame could not be written for too long.
        WriteTimeout,
        /// Another error of the operating system.
        Io,
        /// The server sent a frame over the limit.
        FrameTooLarge,
        /// The server sent text that is not UTF-8.
        InvalidUtf8,
        /// The server broke RFC 6455 in another way.
        ProtocolViolation,
        /// The server answered 101 but never let the user in.
        NoPresence,
        /// Refused by a breakout's first frame.
        Refused,
        /// Taken over by another socket of the same user.
        Displaced,
        /// A defect of soakrig itself, caught and counted.
        Panic,
    }
}

labels! {
    /// Kinds of frames the server sends.
    FrameKind {
        /// Member list.
        Presence, /// A chat.
        Chat, /// Member list of a breakout.
        BreakoutPresence, /// List of breakouts.
        BreakoutReceive, /// Event settings.
        Plenary, /// Embedded media.
        Embeds, /// Shared video position.
        Videosync, /// Chats rewritten.
        ChatReplace, /// The user's own account.
        Auth, /// Changed accounts.
        Users, /// An error text.
        Error, /// An admin's word to the breakouts.
        MessageBreakouts, /// An admin's request to a breakout.
        RequestSpeakerStats, /// Valid JSON of a type this list does not know.
        Unknown, /// Not the JSON expected.
        Malformed, /// A binary frame.
        Binary, /// Websocket ping.
        Ping, /// Websocket pong.
        Pong, /// Websocket close.
        Close
    }
}

labels! {
    /// Kinds of frames the rig sends.
    SentKind { /// A chat.
        Chat, /// The heartbeat text.
        Heartbeat, /// Takeover of a breakout seat.
        Takeover, /// Websocket ping.
        Ping, /// Websocket pong.
        Pong, /// Websocket close.
        Close }
}

labels! {
    /// Why an intent was not carried out.
    DropReason { /// Nobody was connected.
        NotConnected, /// Every outbox was taken.
        Backpressure, /// The run was stopping.
        Stopping, /// This process issued it too late, or was catching up.
        Overdue }
}

labels! {
    /// Whose message a delivery belongs to.
    Origin { /// Sent by this generator.
        Local, /// Sent by another one.
        Remote }
}

labels! {
    /// What became of an expected delivery; exclusive.
    Outcome {
        /// Came within the deadline.
        OnTime, /// Came after the deadline, by the horizon.
        Late, /// Did not come by the horizon.
        Lost, /// The receiving user left first.
        ExcusedLeft, /// The server ended the receiving connection first.
        ExcusedServer, /// The network ended it first.
        ExcusedNetwork, /// The sender's connection ended before any receipt.
        ExcusedSenderCut
    }
}

labels! {
    /// What is wrong with an arrival, apart from the outcomes.
    Anomaly { /// Came again.
        Duplicate, /// Came after a later message of the same sender.
        Reordered, /// Came where it was not expected.
        Unexpected, /// Its marker does not fit.
        Corrupt }
}

labels! {
    /// From when a time to delivery counts.
    Basis { /// From the intended time of the schedule.
        Intended, /// From when the frame was handed to the sender's socket.
        Sent }
}

labels! {
    /// What a member list has wrong about one of this generator's users.
    PresenceMismatch { /// Listed, though it is gone.
        Ghost, /// Connected, and not listed.
        Missing }
}

labels! {
    /// What came of a member list that was looked at.
    ListFate { /// It was compared with who is connected.
        Judged, /// It names nobody but its receiver, and so says nothing of the others.
        Short, /// It could not be read.
        Unreadable }
}

labels! {
    /// What happened to time itself, as this process sees it.
    ClockEvent { /// The wall clock was set.
        WallJump, /// The machine slept.
        Suspend, /// This process stood still while time went on.
        Stall }
}

labels! {
    /// Why the generator says that its numbers are about itself.
    SaturationReason { /// Intents were issued late.
        ScheduleLag, /// Readable sockets waited to be read.
        ReadDelay }
}

labels! {
    /// Why time was spoilt by this generator or its machine, so that no figure of it is held against
    /// the server.
    SpoiltBy { /// The whole process stood still.
        Stall, /// Readable sockets waited to be read.
        ReadDelay, /// Intents were issued late.
        ScheduleLag, /// Users waited because this machine had no file descriptor left.
        NoFiles, /// Users waited because this machine had no local port left.
        NoPorts }
}

labels! {
    /// What became of an attempt to write changed sessions to the cache file.
    SaveOutcome { /// They are on the disk.
        Saved, /// They are not; it is tried again.
        Failed }
}

labels! {
    /// What became of a finished span of a trace; exclusive.
    SpanFate {
        /// The endpoint took it.
        Exported, /// More spans came than the queue holds.
        QueueFull, /// The endpoint could not be reached, or refused it.
        ExportFailed, /// The process ended first.
        Stopped
    }
}

/// The target of the spans that make up traces. No log line has it, and nothing else is exported.
pub const SPANS: &str = "soakrig_trace";

/// The target of the lines about single steps of single users, which only `--verbose` shows.
pub const STEPS: &str = "soakrig::user::steps";
