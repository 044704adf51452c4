//! One user's open connection: what it sends and receives, and how it ends.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout};

use super::recorder::{Heard, Recorder};
use crate::marker::{Decoded, Marker};
use crate::model::{Failure, FailureKind, SenderId};
use crate::protocol::{Connection, Ended, Event, Outgoing, Progress, Received, SignOfLife};

/// Longest time for joining, if the driver sets no bound.
const JOINING: Duration = Duration::from_secs(90);
/// Longest wait for the server's side of a close.
const CLOSING: Duration = Duration::from_secs(5);
/// Retry interval of a keepalive while another frame is being written.
const AGAIN: Duration = Duration::from_millis(50);

/// One user in the room.
pub(super) struct Seat<C> {
    pub(super) name: String,
    /// The user's identity as a sender, by the protocol.
    pub(super) user_id: SenderId,
    pub(super) connection: C,
    pub(super) recorder: Arc<Recorder>,
    pub(super) news: News,
    /// Whether it sends keepalives.
    pub(super) talks: bool,
    next_sign: Instant,
    is_heartbeat_next: bool,
}

/// What a connection has received so far.
#[derive(Default)]
pub(super) struct News {
    pub(super) messages: Vec<Arrival>,
    pub(super) refused: Option<Failure>,
    pub(super) ended: Option<Ended>,
    /// When something was last read.
    pub(super) last_read: Option<Instant>,
    joined: bool,
}

/// A received message.
#[derive(Debug, Clone)]
pub(super) struct Arrival {
    /// Its marker, as far as it can be read.
    pub(super) marker: Option<Marker>,
    /// Whether marker, text and sender match.
    pub(super) intact: bool,
    /// Whether the protocol marks it as history.
    pub(super) replay: bool,
    pub(super) sender: SenderId,
    /// Its frame, and what the rule found in it.
    pub(super) heard: Heard,
}

impl News {
    fn take(&mut self, received: &Received<'_>, recorder: &Recorder) {
        self.last_read = Some(Instant::now());
        match &received.event {
            Event::Joined => self.joined = true,
            Event::Refused(failure) | Event::MessageRefused(failure) => self.refused = Some((*failure).clone()),
            Event::Message { sender, decoded, replay } => {
                let (marker, intact) = match decoded {
                    Decoded::Intact(marker) => (Some(*marker), true),
                    Decoded::Corrupt(marker) => (*marker, false),
                    Decoded::None | Decoded::Foreign | Decoded::Torn(_) => (None, false),
                };
                let heard = recorder.last();
                self.messages.push(Arrival { marker, intact, replay: *replay, sender: *sender, heard });
            }
            _ => {}
        }
    }
}

impl<C: Connection> Seat<C> {
    pub(super) fn new(name: String, user_id: SenderId, connection: C, recorder: Arc<Recorder>) -> Self {
        Self {
            name,
            user_id,
            connection,
            recorder,
            news: News::default(),
            talks: true,
            next_sign: Instant::now(),
            is_heartbeat_next: true,
        }
    }

    /// An error that says how the connection ended, if it did.
    pub(super) fn is_open(&self) -> Result<(), Failure> {
        let Some(ended) = self.news.ended else { return Ok(()) };
        let how = format!("the connection of {} ended: {}", self.name, ended.reason.as_str());
        let close = self.recorder.close().map(|close| format!(" ({close})")).unwrap_or_default();
        Err(Failure::with(FailureKind::ConnectionClosed, format!("{how}{close}")))
    }

    /// Reads and writes once, or sends a keepalive; never returns once the connection has ended.
    /// Cancel-safe.
    pub(super) async fn turn(&mut self) {
        if self.news.ended.is_some() {
            return pending().await;
        }
        let sends = self.talks && self.news.joined;
        let Self { connection, news, recorder, .. } = self;
        let progress = tokio::select! {
            progress = connection.drive(|received| news.take(&received, recorder)) => progress,
            () = sleep_until(self.next_sign), if sends => return self.sign_of_life(),
        };
        if let Progress::Ended(ended) = progress {
            self.news.ended = Some(ended);
        }
    }

    fn sign_of_life(&mut self) {
        let keepalive = self.connection.keepalive();
        let frame = match keepalive.sign {
            SignOfLife::Ping => Outgoing::Ping,
            SignOfLife::Alternate if !self.is_heartbeat_next => Outgoing::Ping,
            SignOfLife::Heartbeat | SignOfLife::Alternate => Outgoing::Heartbeat,
        };
        let taken = self.connection.begin(frame);
        self.is_heartbeat_next ^= taken;
        self.next_sign = Instant::now() + if taken { keepalive.every } else { AGAIN };
    }

    /// Reads until the user has joined.
    pub(super) async fn join(&mut self) -> Result<(), Failure> {
        let limit = self.connection.keepalive().join_timeout.unwrap_or(JOINING);
        let joining = async {
            while !self.news.joined && self.news.refused.is_none() && self.news.ended.is_none() {
                self.turn().await;
            }
        };
        let in_time = timeout(limit, joining).await.is_ok();
        self.next_sign = Instant::now() + self.connection.keepalive().every;
        match (self.news.refused.take(), self.news.ended) {
            (Some(failure), _) => Err(failure),
            (None, Some(ended)) => Err(self.connection.failure().unwrap_or_else(|| ended_early(ended))),
            (None, None) if in_time => Ok(()),
            (None, None) => Err(Failure::with(FailureKind::Timeout, "no frame said that the user had joined")),
        }
    }

    /// Closes the connection; true if the server ended it in time.
    pub(super) async fn leave(&mut self) -> bool {
        self.talks = false;
        self.connection.close();
        let over = async {
            while self.news.ended.is_none() {
                self.turn().await;
            }
        };
        timeout(CLOSING, over).await.is_ok()
    }
}

fn ended_early(ended: Ended) -> Failure {
    let how = format!("the socket ended: {} ({})", ended.reason.as_str(), ended.initiator.as_str());
    Failure::with(FailureKind::ConnectionClosed, how)
}
