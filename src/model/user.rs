//! Actions and states of users.

use strum::{EnumCount, IntoStaticStr, VariantArray};

/// An action that the schedule asks of a connected user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, IntoStaticStr, VariantArray, EnumCount)]
#[strum(serialize_all = "snake_case")]
pub enum Action {
    /// Send one chat.
    Chat,
    /// Leave the room, stay away a while, come back.
    Leave,
    /// Join a side room, stay a while, leave it.
    #[strum(serialize = "breakout")]
    SideRoom,
}

/// The state of a user. The gauge `soakrig_users` sums to the target over all states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, IntoStaticStr, VariantArray, EnumCount)]
#[strum(serialize_all = "snake_case")]
pub enum UserState {
    /// Not started yet, or stopped.
    Waiting,
    /// Signing up or logging in, or waiting for the sign-in limit.
    SigningIn,
    /// Opening the room's page and the socket, until joined.
    Connecting,
    /// In the room.
    Connected,
    /// Left on purpose, and will come back.
    Away,
    /// Waiting to retry after a failure.
    BackingOff,
    /// Given up for good: the server refused the account.
    Failed,
}

/// Stages of a user's work, each with its own error rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, IntoStaticStr, VariantArray, EnumCount)]
#[strum(serialize_all = "snake_case")]
pub enum Stage {
    /// Sign-up form.
    Signup,
    /// Log-in form.
    Login,
    /// The room's page.
    #[strum(serialize = "event")]
    Room,
    /// Socket handshake until the user joined.
    Connect,
    /// A chat, leave or side room intent.
    Send,
    /// A frame read.
    Receive,
    /// A delivery's verdict.
    Delivery,
}

/// HTTP steps of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, IntoStaticStr, VariantArray, EnumCount)]
#[strum(serialize_all = "snake_case")]
pub enum HttpStep {
    /// Sign-up form, read and posted.
    Signup,
    /// Log-in form, read and posted.
    Login,
    /// The room's page.
    #[strum(serialize = "event")]
    Room,
    /// A side room's page.
    #[strum(serialize = "breakout")]
    SideRoom,
    /// Account deletion.
    Delete,
}

/// The outcome of an HTTP request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, IntoStaticStr, VariantArray, EnumCount)]
#[strum(serialize_all = "snake_case")]
pub enum HttpOutcome {
    /// The expected answer.
    Ok,
    /// A refusal by the application: form refused, redirect to log-in, over capacity.
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

/// Why an intent was not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, IntoStaticStr, VariantArray, EnumCount)]
#[strum(serialize_all = "snake_case")]
pub enum DropReason {
    /// No user was connected.
    NotConnected,
    /// Every outbox was taken.
    Backpressure,
    /// The run was stopping.
    Stopping,
    /// This process issued it too late, or was catching up.
    Overdue,
    /// `ctl disconnect` had everyone disconnected, and no user was back.
    Disconnected,
}

labels!(Action, UserState, Stage, HttpStep, HttpOutcome, DropReason);
