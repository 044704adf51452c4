//! Connections: the kind of socket, and how and by which side it was ended.

use strum::{EnumCount, IntoStaticStr, VariantArray};

/// One of a user's two kinds of sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, IntoStaticStr, VariantArray, EnumCount)]
#[strum(serialize_all = "snake_case")]
pub enum SocketKind {
    /// The room's own.
    #[strum(serialize = "plenary")]
    Room,
    /// A side room's.
    #[strum(serialize = "breakout")]
    SideRoom,
}

/// The side that ended a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, IntoStaticStr, VariantArray, EnumCount)]
#[strum(serialize_all = "snake_case")]
pub enum Initiator {
    /// This user, on purpose.
    User,
    /// The server, by a close frame or an orderly end of stream.
    Server,
    /// Neither: reset, timeout, silence.
    Network,
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, IntoStaticStr, VariantArray, EnumCount)]
#[strum(serialize_all = "snake_case")]
pub enum EndReason {
    /// The user left, or the stay in the side room was over.
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
    /// The server answered 101, but the user never joined.
    NoPresence,
    /// Refused by a side room's first frame.
    Refused,
    /// Taken over by another socket of the same user.
    Displaced,
    /// A panic in soakrig itself, caught and counted.
    Panic,
}

labels!(SocketKind, Initiator, EndReason);
